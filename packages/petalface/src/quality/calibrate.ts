import { PetalfaceError } from "../errors.ts";
import type { LinearCalibration, PaperCalibration, QualityMeasure } from "./types.ts";
import type { QualityWeights } from "./weights.ts";

/** The part of a measure that a calibration names. */
export type Judge = Pick<QualityMeasure, "name" | "weights">;

const named = (weights: QualityWeights | undefined) => weights && { weights: weights.sha256 };

/**
 * Share of sharp training faces that may fall short of alpha = 1. Effective resolution keeps photos
 * and low-resolution faces far apart (56 px against 24), other measures need the room between them.
 */
export const sharpShortfall = (measure: string): number => (measure === "resolution" ? 0.01 : 0.05);

/** Value below which a share of the values lies; see {@link sortedQuantile}. */
export const quantile = (values: ArrayLike<number>, share: number): number =>
  sortedQuantile(Float64Array.from(values).sort(), share);

/**
 * Value below which a share of sorted values lies; linear between neighbours (type 7 of Hyndman and
 * Fan 1996).
 */
export function sortedQuantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const [a, b] = [sorted[below], sorted[Math.min(below + 1, sorted.length - 1)]];
  return a + (b - a) * (position - below);
}

/**
 * Fits a calibration on scores of the same training faces sharp and at the best low resolution that
 * training shows: alpha reaches exactly 1 where all but a few of the sharp ones are
 * ({@link sharpShortfall}), and 0 at the median of the degraded ones (docs/method.md, 2).
 * Direction-aware: it does not matter whether the measure calls sharp faces large or small. Throws
 * PetalfaceError if a score is not finite or the measure cannot tell the two sets apart.
 */
export function calibrate(
  { name: measure, weights }: Judge,
  sharp: ArrayLike<number>,
  degraded: ArrayLike<number>,
): LinearCalibration {
  requireFinite(measure, "sharp", sharp);
  requireFinite(measure, "degraded", degraded);
  const one = sharp[0];
  if ([sharp, degraded].every((scores) => Array.from(scores).every((score) => score === one)))
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `"${measure}" gives every training face the score ${one}, degraded or not, so no range can be fitted on it; give 'alphaRange=LOW,HIGH' or another 'quality'`,
    );
  const low = quantile(degraded, 0.5);
  const higherIsSharper = quantile(sharp, 0.5) > low;
  const shortfall = sharpShortfall(measure);
  const high = quantile(sharp, higherIsSharper ? shortfall : 1 - shortfall);
  // Half of the degraded faces lie beyond `low`; if that is where sharp ones end, alpha would be
  // noise.
  if (higherIsSharper ? high <= low : high >= low)
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `"${measure}" cannot tell the training faces from their low-resolution copies (sharp ${quantile(sharp, 0.5).toFixed(2)}, degraded ${low.toFixed(2)}): the training faces may be blurred themselves; use sharp ones, a smaller 'lrPixels' range, a 'degrade' whose mildest values are worse, or another 'quality'`,
    );
  return { measure, ...named(weights), low, high };
}

/**
 * The paper's rule: the threshold is the mean score of the training faces as they are. Throws
 * PetalfaceError if a score is not finite.
 */
export function calibrateAsPaper({ name: measure, weights }: Judge, scores: ArrayLike<number>): PaperCalibration {
  requireFinite(measure, "training", scores);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += scores[i];
  return { kind: "paper", measure, ...named(weights), threshold: sum / scores.length };
}

export function requireFinite(measure: string, name: string, scores: ArrayLike<number>): void {
  if (scores.length === 0)
    throw new PetalfaceError("PETAL_QUALITY_UNFIT", `no ${name} faces to calibrate "${measure}" on`);
  const bad = Array.from(scores).findIndex((score) => !Number.isFinite(score));
  if (bad >= 0)
    throw new PetalfaceError(
      "PETAL_NOT_FINITE",
      `"${measure}" gave ${scores[bad]} on ${name} face ${bad}; the images or the model are broken`,
    );
}

/** A calibration whose range the user set. */
export const rangeCalibration = ({ name: measure, weights }: Judge, low: number, high: number): LinearCalibration => ({
  measure,
  ...named(weights),
  low,
  high,
});

/**
 * Fitted as {@link calibrate} does on 512 LFW faces of people outside folds 1 to 6, at 112 px, low
 * at 24 px; BRISQUE with OpenCV's model.
 */
const photoRanges: Readonly<Record<string, readonly [low: number, high: number]>> = {
  sharpness: [2.49, 4.09],
  resolution: [24.4, 54.9],
};

/** Whether {@link photoCalibration} knows a measure at this size. */
export const knowsPhotos = (measure: string, size: number): boolean =>
  size === 112 && Object.hasOwn(photoRanges, measure);

/**
 * The calibration of aligned photos at 112 px. For training on faces that are not photos, whose own
 * sharpness says nothing about cameras. Throws PetalfaceError for another measure or size.
 */
export function photoCalibration(measure: Judge, size: number): LinearCalibration {
  const range = size === 112 && Object.hasOwn(photoRanges, measure.name) ? photoRanges[measure.name] : undefined;
  if (range === undefined)
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `alpha's range on photos is known for ${Object.keys(photoRanges).join(" and ")} at 112 px, not for ${measure.name} at ${size} px; train with 'calibration=fit' or 'alphaRange', or on photos`,
    );
  return rangeCalibration(measure, ...range);
}
