import { area, type Box, type FivePoints } from "./geometry.ts";

/** A face as a detector found it. */
export interface Detection {
  readonly box: Box;
  /** 0 to 1. */
  readonly score: number;
  /** Undefined where the detector gives boxes only. */
  readonly points?: FivePoints | undefined;
}

/**
 * More boxes than this above the threshold are not faces; the best are kept, so that time stays
 * bounded.
 */
const mostBoxes = 5000;

/**
 * Greedy non-maximum suppression: of boxes that share more than `overlap` of their union, the best
 * stays.
 *
 * @returns the kept ones, best first
 */
export function suppress(found: readonly Detection[], overlap: number): Detection[] {
  return keepBest(found, overlap, intersectionOverUnion);
}

function keepBest(found: readonly Detection[], most: number, alike: (one: Box, other: Box) => number): Detection[] {
  const sorted = [...found].sort((one, other) => other.score - one.score).slice(0, mostBoxes);
  const kept: Detection[] = [];
  for (const candidate of sorted) if (!kept.some(({ box }) => alike(box, candidate.box) > most)) kept.push(candidate);
  return kept;
}

/**
 * {@link suppress} for faces of several views of one photo. A tile may show half a face: its box
 * shares little of the union with the whole face's, but lies in it. So of two boxes the surer stays
 * where more than half of the smaller one is shared. Boxes of very different size are different
 * faces: a far one next to the head of a near one lies in the near one's box.
 */
export function joinViews(found: readonly Detection[]): Detection[] {
  return keepBest(found, 0, (one, other) => (isSameFace(one, other) ? 1 : 0));
}

/**
 * Sides of two boxes of one face differ at most so many times, also where one shows a part of it.
 */
const mostTimes = 4;

/**
 * Whether two boxes are of one face, or one shows a part of the other's: more than half of the
 * smaller is shared, and sizes are alike.
 */
export function isSameFace(one: Box, other: Box): boolean {
  const [small, large] = [Math.min(area(one), area(other)), Math.max(area(one), area(other))];
  return mostTimes ** 2 * small >= large && shared(one, other) > 0.5 * Math.max(small, 1e-9);
}

/** Shared area over joint area, 0 to 1; 0 where both are empty. */
export function intersectionOverUnion(one: Box, other: Box): number {
  const common = shared(one, other);
  const joint = area(one) + area(other) - common;
  return joint > 0 ? common / joint : 0;
}

const shared = (one: Box, other: Box): number =>
  area([
    Math.max(one[0], other[0]),
    Math.max(one[1], other[1]),
    Math.min(one[2], other[2]),
    Math.min(one[3], other[3]),
  ]);
