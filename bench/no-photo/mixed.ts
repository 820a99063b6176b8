import { itemAt } from "onnx-grad";
import { cholesky, dot, forward, momentsOf } from "../skeleton/linear.ts";
import { type MixedKind, splicedAt } from "./plan.ts";
import { normal } from "./texture.ts";

/** Coefficients of a face of one kind: of one photo, of another, or of what is drawn. */
export type Mixer = (kind: MixedKind, one: number, other: number, uniform: () => number) => number[];

/** A mixer of `count` photos, whose coefficients it asks for once. */
export async function openMixer(count: number, coefficientsOf: (at: number) => Promise<number[]>): Promise<Mixer> {
  const all: number[][] = [];
  for (let at = 0; at < count; at++) all.push(await coefficientsOf(at));
  const { mean, covariance } = momentsOf(all);
  const factor = cholesky(covariance);
  const off = (at: number): number[] => itemAt(all, at).map((value, i) => value - itemAt(mean, i));
  /** How far a photo is from the mean in standard deviations, root mean square. */
  const contrasts = all.map((_, at) => {
    const whitened = forward(factor, off(at));
    return Math.sqrt(dot(whitened, whitened) / whitened.length);
  });
  return (kind, one, other, uniform) => {
    switch (kind) {
      case "two photos mixed":
        return mean.map((value, i) => value + (itemAt(off(one), i) + itemAt(off(other), i)) / Math.SQRT2);
      case "two photos spliced":
        return mean.map((_, i) => itemAt(itemAt(all, i < splicedAt ? one : other), i));
      case "drawn, photos' covariance":
      case "drawn, photos' contrast": {
        const scale = kind === "drawn, photos' contrast" ? itemAt(contrasts, other) : 1;
        const noise = mean.map(() => scale * normal(uniform));
        return mean.map((value, i) => value + dot(factor[i], noise));
      }
    }
  };
}
