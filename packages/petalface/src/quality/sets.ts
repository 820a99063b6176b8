import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { calibrate, type Judge, quantile, rangeCalibration, requireFinite, sharpShortfall } from "./calibrate.ts";
import { sharpResolution } from "./detail.ts";
import { spearman } from "./spearman.ts";
import type { LinearCalibration } from "./types.ts";

/**
 * Share of faces of the other kind that a set may hold and still be called all sharp, or all
 * blurred.
 */
const few = 0.05;
/** With fewer sharp faces nothing is fitted on them alone. */
const fewest = 4;

/**
 * What the faces of a set are, as their effective resolution says: all sharp, all blurred, or both
 * together.
 */
export interface SetFindings {
  /** `unknown`: what training does to faces leaves them their detail, so that it says nothing. */
  readonly kind: "sharp" | "mixed" | "blurred" | "unknown";
  /** How many faces were looked at. */
  readonly faces: number;
  /**
   * Pixels of detail a side below which a face counts as blurred: halfway between low-resolution
   * copies and sharp photos.
   */
  readonly pixels: number;
  /** Share of the faces below. */
  readonly blurred: number;
}

/**
 * Looks at a set: which of its faces are blurred as they are stored?
 *
 * @param stored effective resolution ({@link measureOf} `resolution`) of some faces
 * @param copies that of the same faces at the best low resolution that training shows
 * @param size side of the network's input in pixels, which no face has more detail than
 */
export function lookAtSet(stored: ArrayLike<number>, copies: ArrayLike<number>, size: number): SetFindings {
  const [worst, best] = [quantile(copies, 0.5), sharpResolution(size)];
  const pixels = (worst + best) / 2;
  const faces = stored.length;
  if (!(worst < best)) return { kind: "unknown", faces, pixels, blurred: 0 };
  const sharp = Array.from(stored).filter((detail) => detail >= pixels);
  const blurred = (faces - sharp.length) / faces;
  const enough = sharp.length >= Math.max(fewest, few * faces);
  // Faces above the line whose own middle is not sharp are the better end of blurred ones.
  const kind = blurred <= few ? "sharp" : enough && quantile(sharp, 0.5) >= best ? "mixed" : "blurred";
  return { kind, faces, pixels, blurred };
}

/**
 * One line for people: what a set is, and what that means for alpha's range; undefined where there
 * is nothing to say.
 */
export function printSet({ kind, faces, pixels, blurred }: SetFindings): string | undefined {
  const share = `${(100 * blurred).toFixed(0)} % of ${faces} faces have less than ${pixels.toFixed(0)} px of detail`;
  switch (kind) {
    case "sharp":
      return `sharp: ${share}`;
    case "mixed":
      return `sharp and blurred faces together: ${share}; alpha's range is fitted on the others`;
    case "blurred":
      return `blurred faces: ${share}, so a range fitted on them calls blurred faces sharp; give sharp ones, 'calibration=photos' or 'alphaRange'`;
    default:
      return undefined;
  }
}

/**
 * Fits a calibration as {@link calibrate} does, but on the sharp faces of a set only: blurred ones
 * would pull the score that counts as sharp down to theirs. All four lists are of the same faces.
 */
export function calibrateOnSet(
  judge: Judge,
  scores: { readonly stored: ArrayLike<number>; readonly copies: ArrayLike<number> },
  details: ArrayLike<number>,
  { kind, pixels }: SetFindings,
): LinearCalibration {
  // A sharp set may hold more blurred faces than may fall short of alpha = 1.
  const apart = kind === "mixed" || (kind === "sharp" && sharpShortfall(judge.name) < few);
  if (!apart) return calibrate(judge, scores.stored, scores.copies);
  const sharp = (_: number, face: number): boolean => itemAt(details, face) >= pixels;
  return calibrate(judge, Array.from(scores.stored).filter(sharp), Array.from(scores.copies).filter(sharp));
}

/**
 * Fits a calibration on scores that came with the faces, of which no made-up copy has one: alpha is
 * 0 at the median of the blurred faces and 1 where all but 5 % of the sharp ones are. Which way
 * scores count is read off their rank correlation with effective resolution.
 *
 * @throws PetalfaceError where a score is missing, all are the same, they have nothing to do with
 * resolution, or the set is not mixed
 */
export function calibrateOnScores(
  judge: Judge,
  scores: readonly number[],
  details: ArrayLike<number>,
  { kind, pixels, blurred }: SetFindings,
): LinearCalibration {
  requireFinite(judge.name, "training", scores);
  const advice = "give the scores at which alpha is 0 and 1 with 'alphaRange=LOW,HIGH'";
  if (scores.every((score) => score === scores[0]))
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `the column quality says ${scores[0]} of every training face; ${advice}`,
    );
  const agreement = spearman(scores, details);
  // Three standard errors of the correlation of unrelated lists, and no less than a weak one.
  if (Math.abs(agreement) < Math.max(0.2, 3 / Math.sqrt(scores.length - 1)))
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `it is unclear whether a higher value of the column quality is better: its rank correlation with the faces' detail is ${agreement.toFixed(2)}; ${advice}`,
    );
  if (kind !== "mixed")
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `the column quality has nothing to be fitted on: ${(100 * blurred).toFixed(0)} % of the training faces have less than ${pixels.toFixed(0)} px of detail, and it takes sharp and blurred ones; ${advice}`,
    );
  const of = (sharp: boolean): number[] => scores.filter((_, face) => itemAt(details, face) >= pixels === sharp);
  const [low, high] = [
    quantile(of(false), 0.5),
    quantile(of(true), agreement > 0 ? sharpShortfall(judge.name) : 1 - sharpShortfall(judge.name)),
  ];
  if (agreement > 0 ? high <= low : high >= low)
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `the column quality cannot tell the blurred training faces from the sharp ones (median ${low.toFixed(2)}, all but 5 % of the sharp ones reach ${high.toFixed(2)}); ${advice}`,
    );
  return rangeCalibration(judge, low, high);
}
