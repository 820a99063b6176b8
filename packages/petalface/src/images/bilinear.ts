import type { Pixels } from "./types.ts";

/** Where each target sample of one axis lies between two source samples. */
export interface BilinearAxis {
  readonly from: number;
  readonly to: number;
  /** Left source sample. */
  readonly left: Int32Array;
  /** Right source sample; the same as `left` at an edge. */
  readonly right: Int32Array;
  /** Weight of the right sample, 0 to 1. */
  readonly share: Float32Array;
}

/**
 * Positions with half-pixel centres: target `t` lies at `(t + 0.5) * from / to - 0.5`, clamped to
 * the image.
 */
export function bilinearAxis(from: number, to: number): BilinearAxis {
  const left = new Int32Array(to);
  const right = new Int32Array(to);
  const share = new Float32Array(to);
  for (let target = 0; target < to; target++) {
    const position = Math.fround((target + 0.5) * (from / to) - 0.5);
    const whole = Math.floor(position);
    left[target] = Math.min(Math.max(whole, 0), from - 1);
    right[target] = Math.min(Math.max(whole + 1, 0), from - 1);
    share[target] = position - whole;
  }
  return { from, to, left, right, share };
}

/** Fixed-point weights have this many bits, as in OpenCV. */
const one = 2048;

/**
 * Resizes RGB pixels with bilinear interpolation in the fixed-point arithmetic of OpenCV's
 * INTER_LINEAR on 8 bits: 11-bit weights, products cut to 16 bits, rounded at the end. Meant for
 * enlarging; it does not average when shrinking.
 */
export function interpolate(pixels: Pixels, across: BilinearAxis, down: BilinearAxis): Pixels {
  const { data, width } = pixels;
  const stride = across.to * 3;
  const right = Int32Array.from(across.share, (share) => roundHalfEven(share * one));
  const left = Int32Array.from(across.share, (share) => roundHalfEven(Math.fround(1 - share) * one));
  const lines = new Int32Array(down.from * stride);
  for (let row = 0; row < down.from; row++) {
    let to = row * stride;
    for (let column = 0; column < across.to; column++, to += 3) {
      const a = (row * width + across.left[column]) * 3;
      const b = (row * width + across.right[column]) * 3;
      const leftShare = left[column];
      const rightShare = right[column];
      lines[to] = (Math.imul(data[a], leftShare) + Math.imul(data[b], rightShare)) >> 4;
      lines[to + 1] = (Math.imul(data[a + 1], leftShare) + Math.imul(data[b + 1], rightShare)) >> 4;
      lines[to + 2] = (Math.imul(data[a + 2], leftShare) + Math.imul(data[b + 2], rightShare)) >> 4;
    }
  }
  const out = new Uint8Array(down.to * stride);
  for (let row = 0; row < down.to; row++) {
    const share = down.share[row];
    const lowerShare = roundHalfEven(share * one);
    const upperShare = roundHalfEven(Math.fround(1 - share) * one);
    const upper = down.left[row] * stride;
    const lower = down.right[row] * stride;
    const to = row * stride;
    for (let at = 0; at < stride; at++) {
      const sum = (Math.imul(lines[upper + at], upperShare) >> 16) + (Math.imul(lines[lower + at], lowerShare) >> 16);
      out[to + at] = (sum + 2) >> 2;
    }
  }
  return { width: across.to, height: down.to, data: out };
}

/**
 * Resizes RGB pixels to `width` x `height`, bilinear with half-pixel centres and clamped edges,
 * equal to OpenCV's INTER_LINEAR on 8 bits. For enlarging.
 */
export function resizeBilinear(pixels: Pixels, width: number, height: number): Pixels {
  return interpolate(pixels, bilinearAxis(pixels.width, width), bilinearAxis(pixels.height, height));
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
