import type { Ops } from "onnx-grad";
import { cosinesOf, crossEntropy, type Loss, lengthOf, type Margin, sineOf } from "./margin.ts";

/**
 * How many numbers each of these losses keeps from step to step; before the first step all are 0.
 */
export const stateSizes = { adaface: 3, curricularface: 1 } as const;

/** A loss that keeps running statistics: their name in the graph, and how fast they follow. */
interface Running {
  /** Vector of {@link stateSizes} numbers. */
  readonly state: string;
  /** Share of the batch's own statistics in the running ones. */
  readonly momentum: number;
}

/**
 * Keeps angles off 0 and pi, where the arc cosine's slope has no bound; the cosine of it is
 * `1 - cosineFloor`.
 */
const angleFloor = 1e-3;
const cosineFloor = angleFloor ** 2 / 2;
/**
 * AdaFace holds lengths within these before it takes their statistics, and adds `deviationFloor` to
 * their deviation.
 */
const [leastLength, mostLength, deviationFloor] = [1e-3, 100, 1e-3];

/**
 * AdaFace (Kim, Jain and Liu, CVPR 2022, equations 5 to 9 of section 3): the length of an embedding
 * says how good its image is, and good images get their margin where they are hard, poor ones where
 * they are easy. With `z = clip((length - mean) / deviation * concentration, -1, 1)` the logit at
 * the label is `scale * (cos(angle - margin z) - margin z - margin)`. No gradient passes z.
 *
 * Mean and deviation of the lengths run from step to step (state: mean, deviation, 1 once there was
 * a step). They start as the first batch's; the authors start at 20 and 100, which a short training
 * would not leave.
 */
export function adaface(
  o: Ops,
  parts: Margin & Running & { readonly margin: number; readonly concentration: number },
): Loss {
  const { embedding, onehot, scale, margin, concentration, state, momentum } = parts;
  const { all, atLabel } = cosinesOf(o, parts);
  const length = o.clip(lengthOf(o, embedding), leastLength, mostLength);
  const faces = o.dim(length, 0);
  const ownMean = o.reduceMean(length, [0, 1], false);
  const centred = o.sub(length, ownMean);
  const squares = o.reduceSum(o.mul(centred, centred), [0, 1], false);
  const ownDeviation = o.sqrt(o.mul(squares, 1 / Math.max(faces - 1, 1)));
  const [mean = "", deviation = "", started = ""] = o.split(state, [1, 1, 1]);
  const share = o.sub(1, o.mul(started, 1 - momentum));
  const follow = (old: string, own: string): string => o.add(old, o.mul(share, o.sub(own, old)));
  const [newMean, newDeviation] = [follow(mean, ownMean), follow(deviation, ownDeviation)];
  const spread = o.div(o.sub(length, newMean), o.add(newDeviation, deviationFloor));
  const z = o.clip(o.mul(spread, concentration), -1, 1);
  const angle = o.acos(o.clip(atLabel, cosineFloor - 1, 1 - cosineFloor));
  const withMargin = o.cos(o.clip(o.sub(angle, o.mul(z, margin)), angleFloor, Math.PI - angleFloor));
  const change = o.sub(o.sub(withMargin, atLabel), o.mul(o.add(z, 1), margin));
  const loss = crossEntropy(o, o.mul(o.add(all, o.mul(onehot, change)), scale), parts);
  const one = o.full(1, [1], state);
  const after = o.concat([newMean, newDeviation, one], 0);
  const found = o.concat([o.reshape(ownMean, [1]), o.reshape(ownDeviation, [1]), one], 0);
  return { ...loss, fixed: [...loss.fixed, z], state: after, found };
}

/**
 * MagFace (Meng, Zhao, Huang and Zhou, CVPR 2021, equations 2 to 4): the margin on the angle grows
 * with the length a of the embedding, `m(a)` linear from `margins[0]` at `magnitudes[0]` to
 * `margins[1]` at `magnitudes[1]`, and `weight * (1/a + a / magnitudes[1]^2)` rewards length.
 * Lengths outside `magnitudes` count as its ends, so no gradient draws them in. Beyond angle +
 * margin = pi the logit is `cos - m sin(m)`, as in the authors' code.
 */
export function magface(
  o: Ops,
  parts: Margin & {
    readonly magnitudes: readonly [number, number];
    readonly margins: readonly [number, number];
    readonly weight: number;
  },
): Loss {
  const { embedding, onehot, scale, magnitudes, margins, weight } = parts;
  const { all, atLabel } = cosinesOf(o, parts);
  const length = o.clip(lengthOf(o, embedding), ...magnitudes);
  const slope = (margins[1] - margins[0]) / (magnitudes[1] - magnitudes[0]);
  const margin = o.add(o.mul(o.sub(length, magnitudes[0]), slope), margins[0]);
  const [cos, sin] = [o.cos(margin), o.sin(margin)];
  const withMargin = o.sub(o.mul(atLabel, cos), o.mul(sineOf(o, atLabel), sin));
  const beyond = o.neg(o.mul(margin, sin));
  // cos(pi - m) = -cos(m)
  const change = o.where(o.greater(atLabel, o.neg(cos)), o.sub(withMargin, atLabel), beyond);
  const loss = crossEntropy(o, o.mul(o.add(all, o.mul(onehot, change)), scale), parts);
  const reward = o.add(o.reciprocal(length), o.mul(length, magnitudes[1] ** -2));
  return { ...loss, value: o.add(loss.value, o.mul(o.reduceMean(reward, [0, 1], false), weight)) };
}

/**
 * CurricularFace (Huang et al., CVPR 2020, equations 6 to 9): ArcFace whose hard negatives, those
 * with `cos > cos(angle + margin)` of the face's own class, become `cos (t + cos)`. t is the
 * running mean of the cosines at the label (state), from 0 upwards, so hard negatives first count
 * less, then more. No gradient passes t.
 */
export function curricularface(o: Ops, parts: Margin & Running & { readonly margin: number }): Loss {
  const { onehot, scale, margin, state, momentum } = parts;
  const { all, atLabel } = cosinesOf(o, parts);
  const ownMean = o.reduceMean(atLabel, [0, 1], false);
  const t = o.add(state, o.mul(o.sub(ownMean, state), momentum));
  const withMargin = o.sub(o.mul(atLabel, Math.cos(margin)), o.mul(sineOf(o, atLabel), Math.sin(margin)));
  const own = o.where(
    o.greater(atLabel, Math.cos(Math.PI - margin)),
    withMargin,
    o.sub(atLabel, margin * Math.sin(margin)),
  );
  const others = o.where(o.greater(all, withMargin), o.mul(all, o.add(all, t)), all);
  const loss = crossEntropy(o, o.mul(o.where(o.greater(onehot, 0), own, others), scale), parts);
  return { ...loss, fixed: [...loss.fixed, t], state: t, found: o.reshape(ownMean, [1]) };
}
