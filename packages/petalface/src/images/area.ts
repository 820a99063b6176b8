import type { Pixels } from "./types.ts";

/**
 * How one axis shrinks: target `t` takes the sources `first[t] .. first[t] + counts[t] - 1`, each
 * with its share of the box. `weights` holds the shares of all targets one after another.
 */
export interface AreaAxis {
  readonly from: number;
  readonly to: number;
  readonly first: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Float32Array;
}

/** A sliver of a source pixel thinner than this does not count; OpenCV's limit. */
const sliver = 1e-3;

/**
 * Weights of a box filter from `from` to `to` samples, `to <= from`; each target's weights sum to
 * 1.
 */
export function areaAxis(from: number, to: number): AreaAxis {
  const scale = from / to;
  const first = new Int32Array(to);
  const counts = new Int32Array(to);
  const weights: number[] = [];
  for (let target = 0; target < to; target++) {
    const left = target * scale;
    const right = left + scale;
    const box = Math.min(scale, from - left);
    const lastWhole = Math.min(Math.floor(right), from - 1);
    const firstWhole = Math.min(Math.ceil(left), lastWhole);
    const before = weights.length;
    first[target] = firstWhole;
    if (firstWhole - left > sliver) {
      first[target] = firstWhole - 1;
      weights.push((firstWhole - left) / box);
    }
    for (let source = firstWhole; source < lastWhole; source++) weights.push(1 / box);
    if (right - lastWhole > sliver) weights.push(Math.min(right - lastWhole, 1, box) / box);
    counts[target] = weights.length - before;
  }
  return { from, to, first, counts, weights: Float32Array.from(weights) };
}

/**
 * Shrinks RGB pixels by averaging boxes (fractional where the ratio is), rounded to 8 bits half to
 * even: the numbers of OpenCV's INTER_AREA, including its float32 sums, so that degraded faces
 * equal those of published work.
 */
export function shrinkArea(pixels: Pixels, across: AreaAxis, down: AreaAxis): Pixels {
  const wholeAcross = across.from % across.to === 0;
  const wholeDown = down.from % down.to === 0;
  return wholeAcross && wholeDown ? shrinkWhole(pixels, across, down) : shrinkFractional(pixels, across, down);
}

/** Boxes of whole pixels: exact integer sums. */
function shrinkWhole(pixels: Pixels, across: AreaAxis, down: AreaAxis): Pixels {
  const { data, width } = pixels;
  const boxWidth = across.from / across.to;
  const boxHeight = down.from / down.to;
  const share = Math.fround(1 / (boxWidth * boxHeight));
  // OpenCV rounds a half up in boxes of 2 x 2 and to even in all others.
  const nudge = boxWidth === 2 && boxHeight === 2 ? 0.25 : 0;
  const stride = across.to * 3;
  const sums = new Uint32Array(stride);
  const out = new Uint8ClampedArray(stride * down.to);
  for (let row = 0; row < down.to; row++) {
    sums.fill(0);
    for (let line = 0; line < boxHeight; line++) {
      let from = (row * boxHeight + line) * width * 3;
      for (let to = 0; to < stride; to += 3) {
        let red = 0;
        let green = 0;
        let blue = 0;
        for (const end = from + boxWidth * 3; from < end; from += 3) {
          red += data[from];
          green += data[from + 1];
          blue += data[from + 2];
        }
        sums[to] += red;
        sums[to + 1] += green;
        sums[to + 2] += blue;
      }
    }
    for (let at = 0; at < stride; at++) out[row * stride + at] = Math.fround(sums[at] * share) + nudge;
  }
  return { width: across.to, height: down.to, data: new Uint8Array(out.buffer) };
}

function shrinkFractional(pixels: Pixels, across: AreaAxis, down: AreaAxis): Pixels {
  const { data, width } = pixels;
  const stride = across.to * 3;
  const line = new Float32Array(stride);
  const sums = new Float32Array(stride);
  const out = new Uint8ClampedArray(stride * down.to);
  let downAt = 0;
  for (let row = 0; row < down.to; row++) {
    sums.fill(0);
    const rows = down.counts[row];
    for (let step = 0; step < rows; step++) {
      const share = down.weights[downAt++];
      shrinkLine(data, (down.first[row] + step) * width * 3, across, line);
      for (let at = 0; at < stride; at++) sums[at] += Math.fround(line[at] * share);
    }
    out.set(sums, row * stride);
  }
  return { width: across.to, height: down.to, data: new Uint8Array(out.buffer) };
}

function shrinkLine(data: Uint8Array, start: number, axis: AreaAxis, line: Float32Array): void {
  let weightAt = 0;
  for (let target = 0; target < axis.to; target++) {
    let from = start + axis.first[target] * 3;
    let red = 0;
    let green = 0;
    let blue = 0;
    for (const end = weightAt + axis.counts[target]; weightAt < end; weightAt++, from += 3) {
      const share = axis.weights[weightAt];
      red = Math.fround(red + Math.fround(data[from] * share));
      green = Math.fround(green + Math.fround(data[from + 1] * share));
      blue = Math.fround(blue + Math.fround(data[from + 2] * share));
    }
    line[target * 3] = red;
    line[target * 3 + 1] = green;
    line[target * 3 + 2] = blue;
  }
}
