import { once } from "onnx-grad/basics";

/** Side in pixels at which faces and crops are described. */
export const describedSize = 112;

/** Coefficients of the cosine transform that are looked at, along each axis. */
const kept = { luma: 64, chroma: 28 } as const;

/**
 * Bands of the distance from coefficient 0, in half periods a face: starts, and the end of the
 * last.
 */
const lumaBands: readonly number[] = [1, 2, 4, 6, 8, 11, 15, 20, 26, 34, 45, 64];
const chromaBands: readonly number[] = [1, 3, 8, 28];

/** Power below which a band says nothing: rounding to 8 bits has 1/12. */
const floor = 0.1;

/** How many numbers {@link describeFace} gives. */
export const describedLength = lumaBands.length - 1 + 2 * (chromaBands.length - 1) + 3;

/** Cosine transform (DCT-II, orthonormal) of an axis, its first coefficients, row by row. */
function cosines(size: number, rows: number): Float64Array {
  return Float64Array.from({ length: size * rows }, (_, at) => {
    const [row, column] = [Math.floor(at / size), at % size];
    return Math.sqrt((row === 0 ? 1 : 2) / size) * Math.cos((Math.PI * (column + 0.5) * row) / size);
  });
}

/** Coefficients of a plane's cosine transform, and the bands that they belong to. */
interface Spectrum {
  /** Side of the plane in pixels, and coefficients along each axis: a multiple of four. */
  readonly size: number;
  readonly rows: number;
  /** The first `rows` cosines of an axis. */
  readonly basis: Float64Array;
  /** The band of each coefficient, row by row; -1: none. */
  readonly bandOf: Int8Array;
  /** Coefficients in each band. */
  readonly counts: Float64Array;
}

function spectrum(size: number, rows: number, starts: readonly number[]): Spectrum {
  const bands = starts.length - 1;
  const counts = new Float64Array(bands);
  const bandOf = Int8Array.from({ length: rows * rows }, (_, at) => {
    const distance = Math.hypot(Math.floor(at / rows), at % rows);
    const band = starts.findLastIndex((start) => start <= distance);
    if (band < 0 || band >= bands) return -1;
    counts[band]++;
    return band;
  });
  return { size, rows, basis: cosines(size, rows), bandOf, counts };
}

const spectra = once(() => ({
  luma: spectrum(describedSize, kept.luma, lumaBands),
  chroma: spectrum(describedSize / 2, kept.chroma, chromaBands),
}));

/**
 * log10 of the mean power in each band of a square plane. Four rows or columns at a time: their
 * sums do not wait for each other.
 */
function bandPowers(plane: Float64Array, { size, rows, basis, bandOf, counts }: Spectrum): number[] {
  const half = new Float64Array(rows * size);
  for (let row = 0; row < rows; row++)
    for (let y = 0; y < size; y += 4) {
      const weights = row * size + y;
      const [a, b, c, d] = [basis[weights], basis[weights + 1], basis[weights + 2], basis[weights + 3]];
      const to = row * size;
      const from = y * size;
      for (let x = 0; x < size; x++) {
        const above = half[to + x] + a * plane[from + x] + b * plane[from + size + x];
        half[to + x] = above + c * plane[from + 2 * size + x] + d * plane[from + 3 * size + x];
      }
    }
  const powers = new Float64Array(counts.length);
  const add = (band: number, value: number): void => {
    if (band >= 0) powers[band] += value * value;
  };
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < rows; column += 4) {
      const at = row * rows + column;
      // Beyond the last band, as are all further ones of the row.
      if (column > 0 && bandOf[at] < 0) break;
      let [a, b, c, d] = [0, 0, 0, 0];
      const from = column * size;
      for (let x = 0; x < size; x++) {
        const value = half[row * size + x];
        a += value * basis[from + x];
        b += value * basis[from + size + x];
        c += value * basis[from + 2 * size + x];
        d += value * basis[from + 3 * size + x];
      }
      add(bandOf[at], a);
      add(bandOf[at + 1], b);
      add(bandOf[at + 2], c);
      add(bandOf[at + 3], d);
    }
  return Array.from(powers, (power, band) => Math.log10(power / Math.max(counts[band], 1) + floor));
}

/**
 * What a camera leaves in a face, as numbers: power by frequency of the luma (resolution, blur,
 * noise, sharpening, compression), the same of the two colour differences, mean and deviation of
 * the luma, and how much colour there is.
 *
 * @param planes 8-bit RGB planes `[3, 112, 112]`
 */
export function describeFace(planes: Uint8Array): Float64Array {
  const size = describedSize;
  const area = size * size;
  const small = size / 2;
  const luma = new Float64Array(area);
  const [blue, red] = [new Float64Array(small * small), new Float64Array(small * small)];
  let [mean, colour] = [0, 0];
  for (let row = 0, at = 0; row < size; row++)
    for (let column = 0; column < size; column++, at++) {
      const r = planes[at];
      const b = planes[2 * area + at];
      const value = 0.299 * r + 0.587 * planes[area + at] + 0.114 * b;
      const cb = 0.564 * (b - value);
      const cr = 0.713 * (r - value);
      luma[at] = value;
      mean += value / area;
      colour += (cb * cb + cr * cr) / area;
      const to = (row >> 1) * small + (column >> 1);
      blue[to] += cb / 4;
      red[to] += cr / 4;
    }
  let variance = 0;
  for (let at = 0; at < area; at++) variance += (luma[at] - mean) ** 2 / area;
  const deviation = Math.sqrt(variance);
  const of = spectra();
  return Float64Array.of(
    ...bandPowers(luma, of.luma),
    ...bandPowers(blue, of.chroma),
    ...bandPowers(red, of.chroma),
    mean / 40,
    deviation / 20,
    Math.log10(colour + floor),
  );
}

/** Root mean square of the colour differences below which a face is grey, in grey levels. */
export const greyBelow = 2;

/** Whether a described face has no colour. */
export const isGrey = (description: Float64Array): boolean =>
  description[describedLength - 1] < Math.log10(greyBelow ** 2 + floor);

/** Levels at which two distributions are compared. */
const levels = 24;

/** The values at evenly spaced shares of some descriptions, feature by feature. */
function quantiles(descriptions: readonly Float64Array[], feature: number): number[] {
  const sorted = Float64Array.from(descriptions, (each) => each[feature]).sort();
  return Array.from({ length: levels }, (_, level) => {
    const at = ((level + 0.5) / levels) * sorted.length - 0.5;
    const below = Math.min(Math.max(Math.floor(at), 0), sorted.length - 1);
    const above = Math.min(below + 1, sorted.length - 1);
    const [a, b] = [sorted[below], sorted[above]];
    return a + (b - a) * Math.min(Math.max(at - below, 0), 1);
  });
}

/**
 * How far the distributions of two sets of descriptions are apart: the mean over the features of
 * their Wasserstein-1 distance, in deviations of the feature in the first set. 0: equal.
 */
export function distanceTo(goal: readonly Float64Array[]): (made: readonly Float64Array[]) => number {
  const features = Array.from({ length: describedLength }, (_, feature) => {
    const wanted = quantiles(goal, feature);
    const mean = wanted.reduce((sum, value) => sum + value, 0) / levels;
    const deviation = Math.sqrt(wanted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / levels);
    return { wanted, scale: Math.max(deviation, 0.05) };
  });
  return (made) =>
    features.reduce((sum, { wanted, scale }, feature) => {
      const found = quantiles(made, feature);
      const apart = wanted.reduce((total, value, at) => total + Math.abs(value - found[at]), 0) / levels;
      // Beyond a few deviations all is equally wrong, so that no single feature decides.
      return sum + Math.min(apart / scale, 4);
    }, 0) / describedLength;
}
