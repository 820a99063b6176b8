import type { Ops } from "onnx-grad";

/** Floor of lengths before a division. */
const lengthFloor = 1e-12;

/** Rows of `x` `[B, D]` scaled to length 1. */
function normalised(o: Ops, x: string): string {
  const squares = o.reduceSum(o.mul(x, x), [1], true);
  return o.div(x, o.sqrt(o.max(squares, lengthFloor)));
}

/**
 * Distillation: mean of `weight * (1 - cos(embedding, target))` over the batch. `target` `[B, D]` holds unit vectors: the frozen embeddings
 * of the same faces, sharp (docs/METHOD.md, 3).
 */
export function distillation(o: Ops, embedding: string, target: string, weight: number): string {
  const cosine = o.reduceSum(o.mul(normalised(o, embedding), target), [1], false);
  return o.mul(o.sub(1, o.reduceMean(cosine, [0], false)), weight);
}

/**
 * CosFace (Wang et al., CVPR 2018): softmax cross-entropy over `scale * (cos - margin at the label)`.
 * `centres` `[C, D]` are class rows of any length, `onehot` `[B, C]` marks each face's class.
 */
export function cosface(
  o: Ops,
  embedding: string,
  centres: string,
  onehot: string,
  options: { readonly margin: number; readonly scale: number },
): string {
  const cosine = o.matmul(normalised(o, embedding), o.transpose(normalised(o, centres), [1, 0]));
  const logits = o.mul(o.sub(cosine, o.mul(onehot, options.margin)), options.scale);
  const logLikelihood = o.reduceSum(o.mul(o.logSoftmax(logits, 1), onehot), [1], false);
  return o.neg(o.reduceMean(logLikelihood, [0], false));
}
