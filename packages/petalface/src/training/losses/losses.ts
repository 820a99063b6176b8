import type { Ops } from "onnx-grad";
import { cosinesOf, crossEntropy, exactSine, type Loss, type Margin, normalised, sineOf } from "./margin.ts";

/**
 * Distillation: mean of `weight * (1 - cos(embedding, target))` over the batch. `target` `[B, D]`
 * holds unit vectors: the frozen embeddings of the same faces, sharp (docs/method.md, 3).
 */
export function distillation(o: Ops, embedding: string, target: string, weight: number): string {
  const cosine = o.reduceSum(o.mul(normalised(o, embedding), target), [1], false);
  return o.mul(o.sub(1, o.reduceMean(cosine, [0], false)), weight);
}

/**
 * CosFace (Wang et al., CVPR 2018): softmax cross-entropy over
 * `scale * (cos - margin at the label)`.
 */
export function cosface(o: Ops, parts: Margin & { readonly margin: number }): Loss {
  const { all } = cosinesOf(o, parts);
  return crossEntropy(o, o.mul(o.sub(all, o.mul(parts.onehot, parts.margin)), parts.scale), parts);
}

/**
 * ArcFace (Deng et al., CVPR 2019): softmax cross-entropy over `scale * cos(angle + margin)` at the
 * label and `scale * cos(angle)` elsewhere. Gradients of the margin:
 * - `true`: that of `cos(angle + margin) = cos cos(margin) - sin sin(margin)`. Beyond
 *   `angle + margin = pi`, where it would turn around, the logit is `cos - margin sin(margin)`, as
 *   in the authors' code.
 * - `straight-through`: the value `cos(angle + margin)` everywhere, and the gradient as if it were
 *   `cos(angle)`: what PETALface's released code computes. The margin then changes the softmax, but
 *   not the slope.
 */
export function arcface(
  o: Ops,
  parts: Margin & { readonly margin: number; readonly gradient: "true" | "straight-through" },
): Loss {
  const { margin, onehot, scale, gradient } = parts;
  const { all, atLabel } = cosinesOf(o, parts);
  const sine = gradient === "straight-through" ? exactSine(o, atLabel) : sineOf(o, atLabel);
  const withMargin = o.sub(o.mul(atLabel, Math.cos(margin)), o.mul(sine, Math.sin(margin)));
  const moved = o.sub(withMargin, atLabel);
  const change =
    gradient === "straight-through"
      ? moved
      : o.where(o.greater(atLabel, Math.cos(Math.PI - margin)), moved, -margin * Math.sin(margin));
  const loss = crossEntropy(o, o.mul(o.add(all, o.mul(onehot, change)), scale), parts);
  return { ...loss, fixed: [...loss.fixed, ...(gradient === "straight-through" ? [change] : [])] };
}
