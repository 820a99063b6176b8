import type { EvaluationResult } from "../results/types.ts";

/** What the reference evaluator says of a list of pairs. */
export interface ReferenceVerification {
  /** Mean and population standard deviation over the folds. */
  readonly accuracy: number;
  readonly accuracyDeviation: number;
  readonly folds: readonly { readonly accuracy: number; readonly threshold: number }[];
  /**
   * TAR where the FAR on the other folds is 0.001, its deviation over the folds, and the FAR
   * measured there.
   */
  readonly tar: number;
  readonly tarDeviation: number;
  readonly far: number;
}

const [accuracySteps, accuracyStep] = [400, 0.01];
const [farSteps, farStep] = [4000, 0.001];
const wantedFar = 1e-3;

/**
 * The rules of insightface's `verification.py` (arcface_torch, eval/verification.py; after
 * FaceNet's): squared distances of unit embeddings, `2 - 2 cos`, accepted below a threshold.
 * Accuracy: of the thresholds 0, 0.01, ... 3.99 the first that is best on nine folds, judged on the
 * tenth. TAR: the threshold where the FAR on nine folds crosses 0.001, on straight lines between 0,
 * 0.001, ... 3.999, or 0 where it is never reached. Folds are runs of pairs in their order.
 *
 * @param distances squared distances, one a pair
 * @param fold of each pair, from 0
 */
export function referenceVerification(
  distances: ArrayLike<number>,
  same: Uint8Array,
  fold: Int32Array,
  folds: number,
): ReferenceVerification {
  const coarse = countBelow(distances, same, fold, folds, accuracySteps, accuracyStep);
  const fine = countBelow(distances, same, fold, folds, farSteps, farStep);
  const accuracies: { accuracy: number; threshold: number }[] = [];
  const [tars, fars]: [number[], number[]] = [[], []];
  for (let test = 0; test < folds; test++) {
    let [best, most] = [0, -1];
    for (let step = 0; step < accuracySteps; step++) {
      const right = coarse.right(step) - coarse.right(step, test);
      if (right > most) [best, most] = [step, right];
    }
    accuracies.push({
      accuracy: coarse.right(best, test) / coarse.pairs(test),
      threshold: best * accuracyStep,
    });
    const threshold = crossing((step) => fine.farWithout(step, test));
    const judged = { accepted: 0, genuine: 0, falseAccepted: 0, impostors: 0 };
    for (let pair = 0; pair < same.length; pair++) {
      if (fold[pair] !== test) continue;
      const accepted = distances[pair] < threshold ? 1 : 0;
      if (same[pair] === 1) {
        judged.genuine++;
        judged.accepted += accepted;
      } else {
        judged.impostors++;
        judged.falseAccepted += accepted;
      }
    }
    tars.push(judged.accepted / judged.genuine);
    fars.push(judged.falseAccepted / judged.impostors);
  }
  const values = accuracies.map(({ accuracy }) => accuracy);
  return {
    accuracy: mean(values),
    accuracyDeviation: deviation(values),
    folds: accuracies,
    tar: mean(tars),
    tarDeviation: deviation(tars),
    far: mean(fars),
  };
}

/** The reference's numbers for the sharp pairs of a result; undefined where it has no folds. */
export function referenceOf({ protocol, detail }: EvaluationResult): ReferenceVerification | undefined {
  const outcome = detail.outcomes.find(({ kind, condition }) => kind === "verification" && condition.kind === "sharp");
  if (outcome?.kind !== "verification" || outcome.fold === undefined) return undefined;
  const distances = Float64Array.from(outcome.scores, (cosine) => 2 - 2 * cosine);
  return referenceVerification(distances, outcome.same, outcome.fold, protocol.folds);
}

/** Counts, for each threshold and fold, of genuine and impostor pairs below it. */
function countBelow(
  distances: ArrayLike<number>,
  same: Uint8Array,
  fold: Int32Array,
  folds: number,
  steps: number,
  width: number,
) {
  const below = [0, 1].map(() => Array.from({ length: folds + 1 }, () => new Float64Array(steps)));
  const totals = [0, 1].map(() => new Float64Array(folds + 1));
  const rows = (flag: number) => below[flag];
  const total = (flag: number) => totals[flag];
  for (let pair = 0; pair < same.length; pair++) {
    const distance = distances[pair];
    // The first threshold above it; the estimate by division may be off by one.
    let step = Math.max(0, Math.floor(distance / width) - 1);
    while (step < steps && step * width <= distance) step++;
    const flag = same[pair];
    for (const group of [fold[pair], folds]) {
      total(flag)[group] = total(flag)[group] + 1;
      const row = rows(flag)[group];
      if (step < steps) row[step] += 1;
    }
  }
  for (const flag of [0, 1])
    for (const row of rows(flag)) for (let step = 1; step < steps; step++) row[step] += row[step - 1];
  const at = (flag: number, group: number, step: number): number => rows(flag)[group][step];
  return {
    pairs: (group: number): number => total(0)[group] + total(1)[group],
    /** Pairs judged rightly. */
    right: (step: number, group = folds): number => at(1, group, step) + total(0)[group] - at(0, group, step),
    /** The false accept rate of all folds but one. */
    farWithout: (step: number, group: number): number =>
      (at(0, folds, step) - at(0, group, step)) / (total(0)[folds] - total(0)[group]),
  };
}

/**
 * The threshold at which a rising rate reaches the wanted one, between the last point that does not
 * exceed it and the next.
 */
function crossing(rate: (step: number) => number): number {
  if (rate(farSteps - 1) < wantedFar) return 0;
  let last = 0;
  while (last + 1 < farSteps && rate(last + 1) <= wantedFar) last++;
  if (last === farSteps - 1) return last * farStep;
  const [low, high] = [rate(last), rate(last + 1)];
  return (last + (wantedFar - low) / (high - low)) * farStep;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}
