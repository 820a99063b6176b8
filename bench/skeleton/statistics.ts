import { itemAt } from "onnx-grad";

export const mean = (values: readonly number[]): number => sum(values) / values.length;

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The middle value, or the mean of the middle two; NaN of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? itemAt(sorted, middle) : (itemAt(sorted, middle - 1) + itemAt(sorted, middle)) / 2;
}

/** Smallest and largest, `1.06-1.32`. */
export const range = (values: readonly number[], digits = 2): string =>
  `${Math.min(...values).toFixed(digits)}-${Math.max(...values).toFixed(digits)}`;

/**
 * How many times as long as ours: the median over the turns, and in brackets the smallest and
 * largest.
 */
export function timesOurs(seconds: readonly number[], ours: readonly number[]): string {
  const ratios = seconds.map((value, turn) => value / itemAt(ours, turn));
  return `${median(ratios).toFixed(2)} [${range(ratios)}]`;
}

/**
 * The largest difference over the largest number of `expected`, which counts as `least` at least;
 * NaN if any number is NaN or a length differs.
 */
export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>, least = 0): number {
  if (actual.length !== expected.length) return Number.NaN;
  let [most, scale] = [0, least];
  for (let i = 0; i < expected.length; i++) {
    const off = Math.abs(itemAt(actual, i) - itemAt(expected, i));
    most = Number.isNaN(off) ? Number.NaN : Math.max(most, off);
    scale = Math.max(scale, Math.abs(itemAt(expected, i)));
  }
  return most / scale;
}

/**
 * Length of the difference over the length of `expected`; infinite if they have different lengths.
 */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [difference, length] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (itemAt(actual, i) - itemAt(expected, i)) ** 2;
    length += itemAt(expected, i) ** 2;
  }
  return Math.sqrt(difference / length);
}

/** `count` of `length` places, spread evenly over all. */
export const spread = (count: number, length: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));

/** `length` numbers, evenly within `spread` of `middle`; `draw`: of {@link drawer}. */
export const drawFloats = (draw: () => number, length: number, spread = 1, middle = 0): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length }, () => middle + spread * (2 * draw() - 1));

/** A fast generator of numbers in [0, 1) for made-up data. The same seed gives the same numbers. */
export function drawer(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
