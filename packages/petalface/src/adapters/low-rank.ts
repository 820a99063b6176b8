import { type GraphBuilder, intOf, itemAt, type Node, type Ops, sizeOf } from "onnx-grad";
import type { Gating } from "./gating.ts";
import type { Site } from "./sites.ts";

/** The values of one site's adapter in a graph under construction. */
export interface LowRank {
  /** Down projection `[rank, in]`, or `[rank, in, kh, kw]`. */
  readonly down: string;
  /** Up projection `[out, rank]`, the scale included where there is no gate. */
  readonly up: string;
  /** Weights the rank channels; absent where every image has the same. */
  readonly gating: Gating | undefined;
  /**
   * Sets some numbers of a product's output to 0, separately for each of `parts` equal parts of the
   * rank. Features lie along `axis`.
   */
  readonly silence?: { readonly parts: number; apply(delta: string, axis: number, part: number): string } | undefined;
}

/**
 * What an adapter adds to its layer's output `frozen`: `up (gate * (down x))`, in the shape of
 * `frozen`. `node` is the layer with the builder's names.
 */
export function lowRankDelta(
  b: GraphBuilder,
  o: Ops,
  site: Site,
  node: Node,
  frozen: string,
  adapter: LowRank,
): string {
  const { down, up, gating } = adapter;
  const x = itemAt(node.inputs, 1 - site.operand);
  const gated = (u: string, axis: number): string => gating?.apply(u, axis, site.rows) ?? u;
  const rank = o.dim(down, 0);
  if (node.op === "Conv") {
    // Low-rank products over channels, pixels flattened: for a 1x1 layer much cheaper than two thin
    // convolutions.
    const outShape = b.shape(frozen);
    const [batch = 0] = outShape;
    const pixels = sizeOf(o.dims(frozen, 2));
    const u = site.plain
      ? o.matmul(down, o.reshape(x, [batch, site.inputs, pixels]))
      : o.reshape(b.add("Conv", [x, down], node.attributes), [batch, rank, pixels]);
    return o.reshape(o.matmul(up, gated(u, 1)), outShape);
  }
  const transposed = (name: string): boolean => intOf(node, name, 0) !== 0;
  if (site.operand === 0) {
    const u = node.op === "Gemm" ? o.gemm(down, x, { transB: transposed("transB") }) : o.matmul(down, x);
    const axis = o.rank(u) - 2;
    return inParts(o, adapter, gated(u, axis), axis, (part, weights) => o.matmul(weights, part));
  }
  const flipped = o.transpose(down, [1, 0]);
  const u = transposed("transA") ? o.gemm(x, flipped, { transA: true }) : o.matmul(x, flipped);
  const axis = o.rank(u) - 1;
  return inParts(o, adapter, gated(u, axis), axis, (part, weights) => o.matmul(part, o.transpose(weights, [1, 0])));
}

/**
 * The up projection of rank channels `u` that lie along `axis`; where something is set to 0,
 * separately for each part.
 */
function inParts(
  o: Ops,
  { up, silence }: LowRank,
  u: string,
  axis: number,
  project: (part: string, weights: string) => string,
): string {
  if (silence === undefined) return project(u, up);
  const { parts } = silence;
  const sizes = Array<number>(parts).fill(o.dim(up, 1) / parts);
  const [channels, weights] = parts === 1 ? [[u], [up]] : [o.split(u, sizes, axis), o.split(up, sizes, 1)];
  return o.sum(channels.map((part, index) => silence.apply(project(part, itemAt(weights, index)), axis, index)));
}
