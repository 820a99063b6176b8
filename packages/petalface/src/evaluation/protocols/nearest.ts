import type { Roc } from "../../matching/index.ts";

/**
 * The true accept rate of the IJB evaluators: that of the ROC's point whose false accept rate is
 * nearest to the one asked for, the higher of two, and of equal rates the highest. The curve has
 * scikit-learn's points: (0, 0) in front, those inside straight runs left out.
 */
export function nearestTar({ far, tar }: Pick<Roc, "far" | "tar">, wanted: number): number {
  let [gap, best] = [wanted, 0];
  for (let at = 0; at < far.length; at++) {
    const distance = Math.abs(far[at] - wanted);
    // Later points have higher rates, and win where two are equally near.
    if (distance > gap) continue;
    gap = distance;
    best = tar[at];
  }
  return best;
}
