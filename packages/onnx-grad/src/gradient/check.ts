import { readTensor } from "../format/decode.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import type { Run } from "../graph/run.ts";
import { numbersOf, type Tensor } from "../graph/tensor.ts";
import { differentiate } from "./differentiate.ts";

/** What to check and how. */
export interface CheckOptions {
  /** The value to differentiate, one number. */
  readonly loss: string;
  /** Graph inputs or constants, floating point. */
  readonly wrt: readonly string[];
  /** Values of all graph inputs. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly run: Run;
  /**
   * Step of the finite differences, in units of the values; 0.01 unless given. Larger steps drown
   * float32 noise, smaller ones bends.
   */
  readonly step?: number;
  /**
   * Random directions for each `wrt` with more than 8 elements, in addition to the gradient's own;
   * 2 unless given. Smaller ones are checked element by element. A part of a tensor whose gradient
   * is wrongly zero shows only in them.
   */
  readonly directions?: number;
  /**
   * Whether the gradient's own direction is checked; true unless given. The loss bends most along
   * it, so large networks need a smaller step there than along random directions: check them in two
   * calls.
   */
  readonly own?: boolean;
  /** Seed of the directions. */
  readonly seed?: number;
}

/** How far gradients and finite differences are apart. */
export interface CheckResult {
  /** The largest relative error of all. */
  readonly worst: number;
  /** The largest relative error for each `wrt`. */
  readonly errors: ReadonlyMap<string, number>;
}

const exhaustive = 8;

/**
 * Compares the gradients that `differentiate` builds with fourth-order central differences of the
 * loss. An error is |difference - gradient|, relative to the larger of both and of a tenth of the
 * gradient's length (a random direction can be nearly orthogonal to it), and not counted below what
 * float32 resolves of the loss at this step.
 */
export async function checkGradients(graph: Graph, options: CheckOptions): Promise<CheckResult> {
  const { loss, wrt, feeds, run, step = 0.01, directions = 2, own = true } = options;
  const names = wrt.map((_, i) => `check.gradient.${i}`);
  const gradients = await run(differentiate(graph, { loss, wrt, names }), feeds);
  const forward = withInputs({ ...graph, outputs: [loss] }, wrt);
  const start: Record<string, Tensor> = { ...feeds };
  const points = wrt.map((name) => feeds[name] ?? constantOf(graph, name));
  for (const [i, name] of wrt.entries()) start[name] = itemAt(points, i);
  const normal = gaussian(options.seed ?? 1);

  const errors = new Map<string, number>();
  for (const [i, name] of wrt.entries()) {
    const point = itemAt(points, i);
    const size = point.data.length;
    const gradient = numbersOf(resultOf(gradients, itemAt(names, i)));
    const length = Math.hypot(...gradient);
    let worst = 0;
    for (let d = own || size <= exhaustive ? 0 : 1; d < (size <= exhaustive ? size : directions + 1); d++) {
      const direction = gradient.map((value, at) => {
        if (size <= exhaustive) return Number(at === d);
        return d > 0 || length === 0 ? normal() : (value / length) * Math.sqrt(size);
      });
      const lossAt = async (h: number) => {
        const result = await run(forward, { ...start, [name]: moved(point, direction, h * step) });
        return itemAt(numbersOf(resultOf(result, loss)), 0);
      };
      const [f1, b1, f2, b2] = [await lossAt(1), await lossAt(-1), await lossAt(2), await lossAt(-2)] as const;
      const difference = (8 * (f1 - b1) - (f2 - b2)) / (12 * step);
      const along = gradient.reduce((sum, value, at) => sum + value * itemAt(direction, at), 0);
      const noise = (1e-6 * Math.max(Math.abs(f1), Math.abs(b1))) / step;
      const scale = Math.max(Math.abs(difference), Math.abs(along), length / 10, 1e-9);
      const error = Math.max(Math.abs(difference - along) - noise, 0) / scale;
      worst = Number.isNaN(error) ? Infinity : Math.max(worst, error);
    }
    errors.set(name, worst);
  }
  return { worst: Math.max(0, ...errors.values()), errors };
}

/** The graph with constants as inputs, so that they can be varied. */
function withInputs(graph: Graph, names: readonly string[]): Graph {
  const constants = new Map(graph.constants);
  const types = new Map(graph.types);
  const inputs = [...graph.inputs];
  for (const name of names) {
    const constant = constants.get(name);
    if (constant === undefined) continue;
    constants.delete(name);
    types.set(name, { dtype: constant.dtype, shape: constant.dims });
    inputs.push(name);
  }
  return { ...graph, constants, types, inputs };
}

function constantOf(graph: Graph, name: string): Tensor {
  const constant = graph.constants.get(name);
  if (constant === undefined) throw new OnnxGradError(`"${name}" is neither a constant nor among the feeds`);
  return readTensor(constant);
}

function resultOf(results: Readonly<Record<string, Tensor>>, name: string): Tensor {
  const tensor = results[name];
  if (tensor === undefined) throw new OnnxGradError(`'run' gave no value for output "${name}"`);
  return tensor;
}

function moved(point: Tensor, direction: readonly number[], step: number): Tensor {
  if (point.dtype !== "float32" && point.dtype !== "float64") {
    throw new OnnxGradError(`finite differences need float32 or float64, not ${point.dtype}`);
  }
  const { dtype, dims, data } = point;
  const shifted = Array.from(data, (value, i) => value + itemAt(direction, i) * step);
  if (dtype === "float32") return { dtype, dims, data: Float32Array.from(shifted) };
  return { dtype, dims, data: Float64Array.from(shifted) };
}

/** Normally distributed numbers (xorshift and Box-Muller), the same ones for a seed. */
function gaussian(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
