import type { Random } from "../../random.ts";
import type { Pixels } from "../types.ts";
import { gaussian } from "./blur.ts";
import { sampleAt } from "./sample.ts";

/** Correlation length of the shifts as a share of the face's side. */
const correlation = 1 / 12;

/**
 * Shifts every pixel by a smooth random field, as hot or long air does (the tilt part of
 * atmospheric turbulence; its blur is `blur`'s). The field is Gaussian noise blurred to a
 * correlation length of a twelfth of the side, without mean, scaled to a root mean square of
 * `shift` pixels on each axis. Sampled bilinearly; edges are repeated outwards.
 */
export function warp(pixels: Pixels, shift: number, stream: Random): Pixels {
  if (shift === 0) return pixels;
  const { width, height } = pixels;
  const across = field(width, height, shift, stream);
  const down = field(width, height, shift, stream);
  return sampleAt(
    pixels,
    across.map((by, at) => (at % width) + by),
    down.map((by, at) => Math.floor(at / width) + by),
  );
}

function field(width: number, height: number, shift: number, stream: Random): Float64Array {
  const noise = Float64Array.from({ length: width * height }, () => stream.normal());
  const rows = smooth(noise, width, height, 1, width);
  const smoothed = smooth(rows, height, width, width, 1);
  const mean = smoothed.reduce((sum, value) => sum + value, 0) / smoothed.length;
  const power = smoothed.reduce((sum, value) => sum + (value - mean) ** 2, 0) / smoothed.length;
  // A face of one pixel has nowhere to shift to.
  const scale = power > 0 ? shift / Math.sqrt(power) : 0;
  return smoothed.map((value) => (value - mean) * scale);
}

/** Blurs along one axis: `length` values `step` apart, on each of `lines` lines `stride` apart. */
function smooth(values: Float64Array, length: number, lines: number, step: number, stride: number): Float64Array {
  const weights = gaussian(Math.max(length * correlation, 0.5));
  const reach = (weights.length - 1) / 2;
  const out = new Float64Array(values.length);
  for (let line = 0; line < lines; line++)
    for (let at = 0; at < length; at++) {
      let sum = 0;
      for (let tap = 0; tap < weights.length; tap++) {
        const from = Math.min(Math.max(at + tap - reach, 0), length - 1);
        sum += weights[tap] * values[line * stride + from * step];
      }
      out[line * stride + at * step] = sum;
    }
  return out;
}
