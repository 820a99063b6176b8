import { PetalfaceError } from "../errors.ts";

/**
 * Embeddings scaled to length 1, in a new array. A zero embedding stays zero: it is similar to nothing.
 *
 * @param data `count x width`, row-major.
 * @throws PetalfaceError naming the first row that holds a number that is not finite.
 */
export function normaliseRows(data: Float32Array, width: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let start = 0; start < data.length; start += width) {
    let squares = 0;
    for (let i = start; i < start + width; i++) squares += (data[i] as number) ** 2;
    if (!Number.isFinite(squares))
      throw new PetalfaceError(
        `embedding ${start / width} holds a number that is not finite; look at the model and its input`,
      );
    const scale = squares === 0 ? 0 : 1 / Math.sqrt(squares);
    for (let i = start; i < start + width; i++) out[i] = (data[i] as number) * scale;
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
    const i = (first[pair] as number) * width;
    const j = (second[pair] as number) * width;
    let sum = 0;
    for (let k = 0; k < width; k++) sum += (a[i + k] as number) * (b[j + k] as number);
    scores[pair] = sum;
  }
  return scores;
}

/**
 * Closed-set rank-1: 1 where the probe's best mate in the gallery is more similar than everyone else, else 0; a tie with
 * another person is lost, and so is a probe without a mate.
 *
 * The product of probes and gallery is formed four by four and never stored, so memory does not grow with it. Each dot product is
 * summed in the order of the row: equal rows give equal scores, and ties are real ties.
 *
 * @param probes, gallery unit rows of `width`; labels per row.
 */
export function rankOneHits(
  probes: Float32Array,
  probeLabels: Int32Array,
  gallery: Float32Array,
  galleryLabels: Int32Array,
  width: number,
): Uint8Array {
  const count = probeLabels.length;
  const mate = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  const other = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  const see = (probe: number, face: number, score: number): void => {
    const best = probeLabels[probe] === galleryLabels[face] ? mate : other;
    if (score > (best[probe] as number)) best[probe] = score;
  };
  const last = galleryLabels.length - (galleryLabels.length % 4);
  for (let face = 0; face < last; face += 4) {
    const g0 = face * width;
    const g1 = g0 + width;
    const g2 = g1 + width;
    const g3 = g2 + width;
    for (let probe = 0; probe < count; probe++) {
      const p = probe * width;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let k = 0; k < width; k++) {
        const x = probes[p + k] as number;
        s0 += x * (gallery[g0 + k] as number);
        s1 += x * (gallery[g1 + k] as number);
        s2 += x * (gallery[g2 + k] as number);
        s3 += x * (gallery[g3 + k] as number);
      }
      see(probe, face, s0);
      see(probe, face + 1, s1);
      see(probe, face + 2, s2);
      see(probe, face + 3, s3);
    }
  }
  for (let face = last; face < galleryLabels.length; face++) {
    for (let probe = 0; probe < count; probe++) {
      let sum = 0;
      for (let k = 0; k < width; k++)
        sum += (probes[probe * width + k] as number) * (gallery[face * width + k] as number);
      see(probe, face, sum);
    }
  }
  return Uint8Array.from(mate, (best, probe) => (best > (other[probe] as number) ? 1 : 0));
}

/** Copies the named rows, one after the other. */
export function takeRows(data: Float32Array, width: number, rows: readonly number[]): Float32Array {
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, index) => {
    out.set(data.subarray(row * width, (row + 1) * width), index * width);
  });
  return out;
}
