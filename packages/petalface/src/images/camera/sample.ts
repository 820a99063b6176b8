import type { Pixels } from "../types.ts";

/**
 * Takes every pixel from another place, bilinearly; edges are repeated outwards.
 *
 * @param xs columns of the places, one for each pixel, row by row
 * @param ys their rows
 */
export function sampleAt({ width, height, data }: Pixels, xs: Float64Array, ys: Float64Array): Pixels {
  const out = new Uint8ClampedArray(data.length);
  for (let at = 0; at < width * height; at++) {
    const x = Math.min(Math.max(xs[at], 0), width - 1);
    const y = Math.min(Math.max(ys[at], 0), height - 1);
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const [right, bottom] = [Math.min(left + 1, width - 1), Math.min(top + 1, height - 1)];
    for (let channel = 0; channel < 3; channel++) {
      const value = (line: number, place: number): number => data[(line * width + place) * 3 + channel];
      const upper = value(top, left) * (left + 1 - x) + value(top, right) * (x - left);
      const lower = value(bottom, left) * (left + 1 - x) + value(bottom, right) * (x - left);
      out[at * 3 + channel] = upper * (top + 1 - y) + lower * (y - top);
    }
  }
  return { width, height, data: new Uint8Array(out.buffer) };
}
