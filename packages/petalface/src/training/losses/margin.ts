import type { Ops } from "onnx-grad";

/** Floor of lengths before a division. */
const lengthFloor = 1e-12;

/**
 * Least 1 - cos squared under the root: next to the class row the sine's slope would be without
 * bound.
 */
const sineFloor = 1e-6;

/** Faces, class rows and labels of a margin softmax. */
export interface Margin {
  /** Embeddings `[B, D]`, of any length. */
  readonly embedding: string;
  /** Class rows `[C, D]`, of any length. */
  readonly centres: string;
  /** `[B, C]`: 1 at each face's class. */
  readonly onehot: string;
  readonly scale: number;
  /**
   * Least probability that the loss counts: no face costs more than `-log(floor)`, and its gradient
   * is as without. 0 for none.
   */
  readonly floor: number;
}

/** A loss in a graph under construction. */
export interface Loss {
  /** One number. */
  readonly value: string;
  /** Values that no gradient passes: for the `fixed` of `differentiate`. */
  readonly fixed: readonly string[];
  /** What the loss keeps from step to step, after this one; absent where it keeps nothing. */
  readonly state?: string;
  /**
   * The state that this batch alone would give, which the state follows; present where there is a
   * state.
   */
  readonly found?: string;
}

/** Rows of `x` `[B, D]` scaled to length 1. */
export function normalised(o: Ops, x: string): string {
  return o.div(x, o.sqrt(o.max(squaredLength(o, x), lengthFloor)));
}

/** Lengths of the rows of `x` `[B, D]`: `[B, 1]`. */
export const lengthOf = (o: Ops, x: string): string => o.sqrt(o.max(squaredLength(o, x), lengthFloor));

const squaredLength = (o: Ops, x: string): string => o.reduceSum(o.mul(x, x), [1], true);

/** Cosines between embeddings and class rows `[B, C]`, and those at the label `[B, 1]`. */
export function cosinesOf(o: Ops, { embedding, centres, onehot }: Margin): { all: string; atLabel: string } {
  const all = o.matmul(normalised(o, embedding), o.transpose(normalised(o, centres), [1, 0]));
  return { all, atLabel: o.reduceSum(o.mul(all, onehot), [1], true) };
}

/** The sine of the angle whose cosine is given, at least 1e-3. */
export const sineOf = (o: Ops, cosine: string): string => o.sqrt(o.max(o.sub(1, o.mul(cosine, cosine)), sineFloor));

/**
 * The sine without that floor, also for a cosine that rounding made larger than 1: for values that
 * no gradient passes.
 */
export const exactSine = (o: Ops, cosine: string): string => o.sqrt(o.relu(o.sub(1, o.mul(cosine, cosine))));

/** Mean over the batch of `-log softmax` at the labels, each no larger than `-log(floor)`. */
export function crossEntropy(o: Ops, logits: string, { onehot, floor }: Margin): Loss {
  const each = o.neg(o.reduceSum(o.mul(o.logSoftmax(logits, 1), onehot), [1], false));
  if (floor === 0) return { value: o.reduceMean(each, [0], false), fixed: [] };
  const excess = o.relu(o.add(each, Math.log(floor)));
  return { value: o.reduceMean(o.sub(each, excess), [0], false), fixed: [excess] };
}
