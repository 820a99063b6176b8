import { thresholdAt } from "../../gallery/index.ts";
import type { GalleryState } from "../gallery/state.ts";

/**
 * Similarity of a face whose cosine lies on the threshold: from here on Double Take takes it for a
 * match.
 */
const atThreshold = 0.6;
/**
 * How fast similarity rises with the cosine; 0.2 above the threshold it is 0.92, 0.2 below 0.17.
 */
const slope = 10;
/**
 * Stands in where no threshold is known: fewer than two people are enrolled, or none holds for this
 * quality.
 */
const unknownThreshold = 0.5;

/**
 * A cosine as CompreFace's similarity from 0 to 1: a logistic curve through 0.6 at the gallery's
 * threshold for faces of this quality. So clients' usual limits fit whichever model is served.
 */
export function similarityOf(cosine: number, alpha: number, { thresholds }: Pick<GalleryState, "thresholds">): number {
  const known = thresholds === undefined ? null : (thresholdAt(thresholds.table, alpha)?.cosine ?? null);
  const odds = slope * (cosine - (known ?? unknownThreshold)) + Math.log(atThreshold / (1 - atThreshold));
  return Number((1 / (1 + Math.exp(-odds))).toFixed(5));
}
