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
 * Softmax over frozen embeddings: mean of `weight * -log(p)`, p the share of the face's own target
 * in `exp(scale * cos)` over the target and the anchors of other people. Unlike the distance to the
 * target it counts what tells people apart, not what all degraded faces share.
 *
 * @param parts.anchors unit rows `[C, D]`
 * @param parts.others `[B, C]`: 1 where an anchor is of another person than the face, else 0
 */
export function anchorSoftmax(
  o: Ops,
  embedding: string,
  target: string,
  parts: { readonly anchors: string; readonly others: string; readonly scale: number; readonly weight: number },
): string {
  const unit = normalised(o, embedding);
  const own = o.reduceSum(o.mul(unit, target), [1], true);
  const all = o.matmul(unit, o.transpose(parts.anchors, [1, 0]));
  // exp(2 scale) is the most that a term can be: far from float32's end for scales up to 40.
  const odds = o.mul(o.exp(o.mul(o.sub(all, own), parts.scale)), parts.others);
  const each = o.log(o.add(o.reduceSum(odds, [1], false), 1));
  return o.mul(o.reduceMean(each, [0], false), parts.weight);
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
