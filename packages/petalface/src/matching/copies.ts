import { PetalfaceError } from "../errors.ts";
import { normaliseRows } from "./scores.ts";

/**
 * What a template is made of when a photo is enrolled with low-resolution copies of itself: the
 * copies go through the network as a low-resolution probe does, and carry the displacement that
 * such a probe has (docs/copies.md). Both are kept apart, so that the weight can follow the probe
 * at search time.
 */
export interface EnrolledFaces {
  readonly width: number;
  /** Unit embeddings of the photos, `count x width`, row-major. */
  readonly sharp: Float32Array;
  /** Sums over the sizes of the unit embeddings of the copies, `count x width`. */
  readonly copies: Float32Array;
}

/**
 * How much copies weigh: one number for every probe, or `alpha`: 1 - alpha of the probe, nothing
 * for a sharp one.
 */
export type CopyWeight = number | "alpha";

/** How faces are enrolled. */
export interface CopyOptions {
  /**
   * Sides in pixels that the photo is shrunk to, each once; it is enlarged back as `lr:SIDE` does.
   */
  readonly sizes: readonly number[];
  readonly weight: CopyWeight;
}

/** The sizes that were measured to gain most (docs/copies.md). */
export const defaultCopySizes: readonly number[] = [16, 12];

/** The weight for all probes alike that leaves sharp ones as they were found (docs/copies.md). */
export const defaultCopyWeight = 0.25;

/** Beyond this the sharp photo hardly counts. */
const largestWeight = 10;
/** Copies of one photo: each is embedded. */
const mostSizes = 16;

/**
 * Checks how faces are to be enrolled.
 *
 * @param size side in pixels of the model's input, where it is known: a copy must be smaller
 * @throws PetalfaceError (wrong usage) that says what is wrong
 */
export function checkCopies({ sizes, weight }: CopyOptions, size = Number.POSITIVE_INFINITY): void {
  const wrong = (what: string): PetalfaceError => new PetalfaceError("PETAL_OPTION_INVALID", `copies: ${what}`);
  if (sizes.length === 0 || sizes.length > mostSizes)
    throw wrong(`${sizes.length} sizes; give 1 to ${mostSizes}, such as ${defaultCopySizes.join(",")}`);
  for (const [place, side] of sizes.entries()) {
    if (!Number.isInteger(side) || side < 2) throw wrong(`a size is a whole number of pixels from 2, not ${side}`);
    if (sizes.indexOf(side) !== place) throw wrong(`size ${side} is given twice`);
    if (side >= size) throw wrong(`size ${side} is not smaller than the model's input of ${size} px`);
  }
  if (weight !== "alpha" && !(weight >= 0 && weight <= largestWeight))
    throw wrong(`a weight is a number from 0 to ${largestWeight}, or alpha, not ${weight}`);
}

/**
 * Weights of the copies for probes of these alphas: 1 - alpha, between 0 and 1. Where alpha is 1
 * only the photo counts.
 *
 * @throws PetalfaceError for a weight that follows alpha where there is none
 */
export function copyWeights(weight: CopyWeight, count: number, alpha: Float32Array | undefined): Float32Array {
  if (weight !== "alpha") return new Float32Array(count).fill(weight);
  if (alpha === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `the weight of copies cannot follow alpha, because this model computes none; give an adapter, or a number such as ${defaultCopyWeight}`,
    );
  // The paper's rule for alpha leaves [0, 1].
  return Float32Array.from({ length: count }, (_, row) => 1 - Math.min(1, Math.max(0, alpha[row])));
}

/**
 * Puts photos and their copies together.
 *
 * @param sharp embeddings of the photos as the network gives them, `count x width`
 * @param copies of the same photos, an array for each size
 * @throws PetalfaceError where an embedding is not finite
 */
export function enrolFaces(sharp: Float32Array, copies: readonly Float32Array[], width: number): EnrolledFaces {
  const sums = new Float32Array(sharp.length);
  for (const rows of copies) {
    if (rows.length !== sharp.length)
      throw new PetalfaceError(
        "PETAL_ARGUMENT_INVALID",
        `copies are ${rows.length / width} rows, and photos ${sharp.length / width}`,
      );
    const units = normaliseRows(rows, width, "copy");
    for (let i = 0; i < sums.length; i++) sums[i] += units[i];
  }
  return { width, sharp: normaliseRows(sharp, width), copies: sums };
}

/**
 * One vector a face, where no more can be stored: unit(sharp + weight x copies). At weight 0 these
 * are the unit embeddings of the photos, bit for bit.
 */
export function copyTemplates({ width, sharp, copies }: EnrolledFaces, weight: number): Float32Array {
  if (weight === 0) return sharp;
  const sums = Float64Array.from(sharp, (value, i) => value + weight * copies[i]);
  return normaliseRows(sums, width, "template");
}
