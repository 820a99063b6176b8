import { PetalfaceError } from "../errors.ts";

/**
 * Embeddings scaled to length 1, in a new array. A zero embedding stays zero: it is similar to
 * nothing.
 *
 * @param data `count x width`, row-major.
 * @param what a row is called in an error
 * @throws PetalfaceError naming the first row that holds a number that is not finite.
 */
export function normaliseRows(data: Float32Array | Float64Array, width: number, what = "embedding"): Float32Array {
  const out = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += width) {
    let squares = 0;
    for (let i = start; i < start + width; i++) squares += data[i] ** 2;
    if (!Number.isFinite(squares))
      throw new PetalfaceError(
        "PETAL_NOT_FINITE",
        `${what} ${start / width} holds a number that is not finite; look at the model and its input`,
      );
    const scale = squares === 0 ? 0 : 1 / Math.sqrt(squares);
    for (let i = start; i < start + width; i++) out[i] = data[i] * scale;
  }
  return out;
}

/**
 * Cosines of row pairs.
 *
 * @param a, b unit rows (see {@link normaliseRows}), `count x width`; may be one array.
 * @param first, second rows of `a` and of `b`.
 */
export function pairScores(
  a: Float32Array,
  b: Float32Array,
  width: number,
  first: Int32Array,
  second: Int32Array,
): Float32Array {
  const scores = new Float32Array(first.length);
  for (let pair = 0; pair < first.length; pair++) {
    const i = first[pair] * width;
    const j = second[pair] * width;
    let sum = 0;
    for (let k = 0; k < width; k++) sum += a[i + k] * b[j + k];
    scores[pair] = sum;
  }
  return scores;
}

/** Copies the named rows, one after the other. */
export function takeRows(data: Float32Array, width: number, rows: readonly number[]): Float32Array {
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, index) => {
    out.set(data.subarray(row * width, (row + 1) * width), index * width);
  });
  return out;
}

/** Adds `factor` times some numbers to others, in place. */
export function addScaled(to: Float32Array, values: Float32Array, factor = 1): void {
  for (let at = 0; at < values.length; at++) to[at] += factor * values[at];
}
