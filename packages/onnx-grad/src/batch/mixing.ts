import type { Node } from "../graph/graph.ts";

/** Operators that work along axes from `axis` on or along `axis` alone, with their default axis. */
const ALONG: Readonly<Record<string, { readonly fallback: number; readonly rest: boolean }>> = {
  Softmax: { fallback: -1, rest: false },
  LogSoftmax: { fallback: -1, rest: false },
  LayerNormalization: { fallback: -1, rest: true },
  LpNormalization: { fallback: -1, rest: false },
};

/**
 * Whether a node whose input keeps its shape combines elements of several images (a softmax over
 * the batch, say).
 */
export function mixesImages(node: Node, rank: number, batchAxis: number, opset: number): boolean {
  if (node.op === "CumSum") return batchAxis === 0;
  const along = node.domain === "" ? ALONG[node.op] : undefined;
  if (along === undefined) return false;
  // Before operator set 13 a softmax ran over all axes from its own on.
  const old = opset < 13 && node.op.endsWith("Softmax");
  const attribute = node.attributes.axis;
  const axis = attribute !== undefined && "int" in attribute ? attribute.int : old ? 1 : along.fallback;
  const first = axis < 0 ? axis + rank : axis;
  return along.rest || old ? batchAxis >= first : batchAxis === first;
}
