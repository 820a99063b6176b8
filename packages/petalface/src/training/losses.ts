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

/** Faces, class rows and labels of a margin softmax. */
interface Margin {
  /** Embeddings `[B, D]`, of any length. */
  readonly embedding: string;
  /** Class rows `[C, D]`, of any length. */
  readonly centres: string;
  /** `[B, C]`: 1 at each face's class. */
  readonly onehot: string;
  readonly margin: number;
  readonly scale: number;
}

/** CosFace (Wang et al., CVPR 2018): softmax cross-entropy over `scale * (cos - margin at the label)`. */
export function cosface(o: Ops, { embedding, centres, onehot, margin, scale }: Margin): string {
  const cosine = o.matmul(normalised(o, embedding), o.transpose(normalised(o, centres), [1, 0]));
  const logits = o.mul(o.sub(cosine, o.mul(onehot, margin)), scale);
  return crossEntropy(o, logits, onehot);
}

/** Least 1 - cos squared under the root: next to the class row the sine's slope would be without bound. */
const sineFloor = 1e-6;

/**
 * ArcFace (Deng et al., CVPR 2019): softmax cross-entropy over `scale * cos(angle + margin)` at the label and `scale * cos(angle)`
 * elsewhere. Gradients of the margin:
 * - `true`: that of `cos(angle + margin) = cos cos(margin) - sin sin(margin)`. Beyond `angle + margin = pi`, where it would turn
 *   around, the logit is `cos - margin sin(margin)`, as in the authors' code.
 * - `straight-through`: the value `cos(angle + margin)` everywhere, and the gradient as if it were `cos(angle)`: what PETALface's
 *   released code computes. The margin then changes the softmax, but not the slope.
 */
export function arcface(
  o: Ops,
  { embedding, centres, onehot, margin, scale, gradient }: Margin & { readonly gradient: "true" | "straight-through" },
): string {
  const cosine = o.matmul(normalised(o, embedding), o.transpose(normalised(o, centres), [1, 0]));
  const atLabel = o.reduceSum(o.mul(cosine, onehot), [1], true);
  const sine = o.sqrt(o.max(o.sub(1, o.mul(atLabel, atLabel)), sineFloor));
  const turned = o.sub(o.mul(atLabel, Math.cos(margin)), o.mul(sine, Math.sin(margin)));
  const change =
    gradient === "straight-through"
      ? detached(o, o.sub(turned, atLabel))
      : o.where(o.greater(atLabel, Math.cos(Math.PI - margin)), o.sub(turned, atLabel), -margin * Math.sin(margin));
  return crossEntropy(o, o.mul(o.add(cosine, o.mul(onehot, change)), scale), onehot);
}

/**
 * A value that no gradient passes: a trip through integers, which have none. Exact for float32 between 2^-16 and 2^20; what is smaller is
 * off by at most 2^-41.
 */
function detached(o: Ops, x: string): string {
  return o.mul(o.cast(o.cast(o.mul(x, 2 ** 40), "int64"), "float32"), 2 ** -40);
}

/** Mean of `-log softmax` at the labels. */
function crossEntropy(o: Ops, logits: string, onehot: string): string {
  const logLikelihood = o.reduceSum(o.mul(o.logSoftmax(logits, 1), onehot), [1], false);
  return o.neg(o.reduceMean(logLikelihood, [0], false));
}
