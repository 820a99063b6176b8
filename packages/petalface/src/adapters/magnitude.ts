import { type Constant, type GraphBuilder, itemAt, ops } from "onnx-grad";
import type { Site } from "./sites.ts";

/** The layer's weight of a DoRA adapter in a graph under construction. */
export interface MagnitudeWeight {
  /** The weight in the layer's own layout. */
  readonly weight: string;
  /** Length of each output's weights, which gradients do not go through. */
  readonly norm: string;
}

/** What shorter weights are divided by. */
export const leastLength = 1e-12;

/** Axes of a site's weight that belong to its inputs. */
const inputAxes = ({ outFirst }: Site, { dims }: Constant): number[] =>
  outFirst ? dims.map((_, axis) => axis).slice(1) : [0];

/**
 * Adds a layer's weight to a graph: `m (W + scale up down) / |W + scale up down|`, lengths taken
 * over the inputs of each output (Liu et al. 2024, equation 5). Their section 4.3 takes the length
 * for a constant in the gradient: `norm` is what must be fixed.
 *
 * @param frozen the layer's own weight, and its name in the graph
 * @param trained names of `down` `[rank, in, ...]`, `up` `[out, rank]`, `magnitude` `[out]`
 */
export function magnitudeWeight(
  b: GraphBuilder,
  site: Site,
  frozen: { readonly constant: Constant; readonly name: string },
  trained: { readonly down: string; readonly up: string; readonly magnitude: string },
  scale: number,
): MagnitudeWeight {
  const o = ops(b);
  const { constant, name } = frozen;
  const { outputs } = site;
  const rank = o.dim(trained.down, 0);
  const columns = constant.dims.reduce((product, dim) => product * dim, 1) / outputs;
  const product = o.matmul(trained.up, o.reshape(trained.down, [rank, columns]));
  const scaled = scale === 1 ? product : o.mul(product, scale);
  const delta = site.outFirst ? o.reshape(scaled, [...constant.dims]) : o.transpose(scaled, [1, 0]);
  const direction = o.add(name, delta);
  const norm = lengthOf(b, direction, inputAxes(site, constant));
  const shape = constant.dims.map((_, axis) => (axis === (site.outFirst ? 0 : constant.dims.length - 1) ? outputs : 1));
  return { weight: o.mul(o.div(direction, norm), o.reshape(trained.magnitude, shape)), norm };
}

const lengthOf = (b: GraphBuilder, value: string, axes: readonly number[]): string => {
  const o = ops(b);
  // A dead channel has no direction, and stays zero.
  return o.max(b.add("Sqrt", [o.reduceSum(o.mul(value, value), [...axes], true)]), leastLength);
};

/** Length of each output's weights `[out]`: what magnitudes start from. */
export function weightLengths(site: Site, { dims }: Constant, data: Float32Array): Float32Array {
  const squares = new Float64Array(site.outputs);
  const columns = data.length / site.outputs;
  data.forEach((value, at) => {
    const output = site.outFirst ? Math.floor(at / columns) : at % itemAt(dims, 1);
    squares[output] = itemAt(squares, output) + value * value;
  });
  return Float32Array.from(squares, Math.sqrt);
}
