/**
 * What the index of a gallery's file keeps of a person: a sketch, which is 1,024 signs of random
 * projections of the mean embedding. Of two embeddings at an angle of a, a share of a / 180 degrees
 * of the signs differs on average (Charikar, STOC 2002). All people's first 256 signs are compared,
 * and of the nearest ones the others too.
 */
export const sketchBits = 1024;
/** Bytes of the signs that are always compared, and of the others. */
export const headBytes = 32;
export const tailBytes = sketchBits / 8 - headBytes;

/** The sketches of many people. */
export interface Sketches {
  readonly count: number;
  /** Ids, one a person. */
  readonly people: Int32Array;
  /** Addresses in memory of `count x headBytes`, and of `count x tailBytes`. */
  readonly heads: number;
  readonly tails: number;
}
