import type { Pixels } from "../types.ts";

/** One weight of a point spread function. */
interface Tap {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
}

/** Gaussian blur; the kernel ends at 4 sigma, edges are repeated outwards. */
export function blurGaussian(pixels: Pixels, sigma: number): Pixels {
  const weights = gaussian(sigma);
  if (weights.length === 1) return pixels;
  const reach = (weights.length - 1) / 2;
  const line = (x: number, y: number): Tap[] =>
    Array.from(weights, (weight, at) => ({ x: x * (at - reach), y: y * (at - reach), weight }));
  const { width, height } = pixels;
  return rounded(width, height, spread(spread(pixels, line(1, 0)), line(0, 1)).data);
}

/** Weights of a Gaussian from -4 sigma to 4 sigma, summing to 1; a single 1 for sigma 0. */
export function gaussian(sigma: number): Float64Array {
  const reach = Math.ceil(4 * sigma);
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, at) =>
    at === reach ? 1 : Math.exp(-((at - reach) ** 2) / (2 * sigma * sigma)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * Out of focus: every point becomes a disc. Its edge fades over one pixel, so that radii between
 * pixels differ.
 */
export function blurDisc(pixels: Pixels, radius: number): Pixels {
  const reach = Math.ceil(radius + 0.5);
  const taps: Tap[] = [];
  for (let y = -reach; y <= reach; y++)
    for (let x = -reach; x <= reach; x++) {
      const weight = Math.min(Math.max(radius + 0.5 - Math.hypot(x, y), 0), 1);
      if (weight > 0) taps.push({ x, y, weight });
    }
  return convolve(pixels, taps);
}

/**
 * Moved while the shutter was open: every point becomes a line of `length` pixels, `angle` radians
 * from the horizontal.
 */
export function blurMotion(pixels: Pixels, length: number, angle: number): Pixels {
  const points = Math.ceil(length * 4) + 1;
  const grid = new Map<string, Tap>();
  for (let point = 0; point < points; point++) {
    const along = points === 1 ? 0 : (point / (points - 1) - 0.5) * length;
    const [x, y] = [along * Math.cos(angle), along * Math.sin(angle)];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    for (const [column, row] of [
      [left, top],
      [left + 1, top],
      [left, top + 1],
      [left + 1, top + 1],
    ] as const) {
      const weight = (1 - Math.abs(x - column)) * (1 - Math.abs(y - row));
      const before = grid.get(`${column},${row}`)?.weight ?? 0;
      if (weight > 0) grid.set(`${column},${row}`, { x: column, y: row, weight: before + weight });
    }
  }
  return convolve(pixels, [...grid.values()]);
}

/** Weighted mean over the taps, weights scaled to sum to 1. */
function convolve(pixels: Pixels, taps: readonly Tap[]): Pixels {
  if (taps.length === 1) return pixels;
  const sum = taps.reduce((total, { weight }) => total + weight, 0);
  const scaled = taps.map(({ x, y, weight }) => ({ x, y, weight: weight / sum }));
  return rounded(pixels.width, pixels.height, spread(pixels, scaled).data);
}

interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

function spread({ width, height, data }: Plane, taps: readonly Tap[]): Plane & { readonly data: Float32Array } {
  const out = new Float32Array(width * height * 3);
  for (const { x, y, weight } of taps) {
    for (let row = 0; row < height; row++) {
      const line = Math.min(Math.max(row + y, 0), height - 1) * width;
      let to = row * width * 3;
      for (let column = 0; column < width; column++, to += 3) {
        const from = (line + Math.min(Math.max(column + x, 0), width - 1)) * 3;
        out[to] += data[from] * weight;
        out[to + 1] += data[from + 1] * weight;
        out[to + 2] += data[from + 2] * weight;
      }
    }
  }
  return { width, height, data: out };
}

const rounded = (width: number, height: number, data: Float32Array): Pixels => ({
  width,
  height,
  data: new Uint8Array(Uint8ClampedArray.from(data).buffer),
});
