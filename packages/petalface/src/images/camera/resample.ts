import type { Pixels } from "../types.ts";
import type { Kernel } from "./types.ts";

/** A kernel on its own scale: its half width, and its height at a distance. */
interface Filter {
  readonly radius: number;
  readonly at: (distance: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const filters: Readonly<Record<"bilinear" | "bicubic" | "lanczos", Filter>> = {
  bilinear: { radius: 1, at: (x) => Math.max(0, 1 - x) },
  // Keys 1981 with a = -0.5 (Catmull-Rom), as in Pillow and libvips.
  bicubic: {
    radius: 2,
    at: (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0),
  },
  // Duchon 1979, three lobes.
  lanczos: { radius: 3, at: (x) => (x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * Which sources a target takes, and how much of each: target `t` takes `count` from `first[t]` on.
 */
interface Axis {
  readonly to: number;
  readonly count: number;
  readonly first: Int32Array;
  readonly weights: Float32Array;
}

/**
 * Half-pixel centres; when shrinking, the kernel is widened by the ratio (antialiasing). Outside
 * the image nothing counts.
 */
function filterAxis(from: number, to: number, { radius, at }: Filter): Axis {
  const ratio = from / to;
  const stretch = Math.max(ratio, 1);
  const count = Math.min(Math.ceil(radius * stretch) * 2 + 1, from);
  const first = new Int32Array(to);
  const weights = new Float32Array(to * count);
  for (let target = 0; target < to; target++) {
    const centre = (target + 0.5) * ratio - 0.5;
    const start = Math.min(Math.max(Math.ceil(centre - radius * stretch), 0), from - count);
    first[target] = start;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) {
      const weight = at(Math.abs(start + tap - centre) / stretch);
      weights[target * count + tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < count; tap++) weights[target * count + tap] /= sum;
  }
  return { to, count, first, weights };
}

/**
 * Resizes RGB pixels; both passes in float32, rounded once. `nearest` takes the pixel under the
 * target's centre.
 */
export function resample(pixels: Pixels, width: number, height: number, kernel: Exclude<Kernel, "area">): Pixels {
  if (kernel === "nearest") return takeNearest(pixels, width, height);
  const filter = filters[kernel];
  const across = filterAxis(pixels.width, width, filter);
  const down = filterAxis(pixels.height, height, filter);
  const stride = width * 3;
  const lines = new Float32Array(pixels.height * stride);
  for (let row = 0; row < pixels.height; row++) {
    for (let column = 0; column < width; column++) {
      const start = (row * pixels.width + across.first[column]) * 3;
      for (let channel = 0; channel < 3; channel++) {
        let sum = 0;
        for (let tap = 0; tap < across.count; tap++)
          sum += pixels.data[start + tap * 3 + channel] * across.weights[column * across.count + tap];
        lines[row * stride + column * 3 + channel] = sum;
      }
    }
  }
  const out = new Uint8ClampedArray(height * stride);
  for (let row = 0; row < height; row++) {
    const start = down.first[row] * stride;
    for (let at = 0; at < stride; at++) {
      let sum = 0;
      for (let tap = 0; tap < down.count; tap++)
        sum += lines[start + tap * stride + at] * down.weights[row * down.count + tap];
      out[row * stride + at] = sum;
    }
  }
  return { width, height, data: new Uint8Array(out.buffer) };
}

function takeNearest(pixels: Pixels, width: number, height: number): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const line = Math.floor(((row + 0.5) * pixels.height) / height) * pixels.width;
    for (let column = 0; column < width; column++) {
      const from = (line + Math.floor(((column + 0.5) * pixels.width) / width)) * 3;
      const to = (row * width + column) * 3;
      for (let channel = 0; channel < 3; channel++) data[to + channel] = pixels.data[from + channel];
    }
  }
  return { width, height, data };
}
