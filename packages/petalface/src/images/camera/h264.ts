import type { Pixels } from "../types.ts";
import { transformBlock } from "./block.ts";
import { type Channel, toRgb, toYuv } from "./colour.ts";

/**
 * Rows of H.264's 4 x 4 integer transform, each scaled to length 1 (ITU-T H.264, 8.5; Malvar et al.
 * 2003).
 */
const rows = [
  [0.5, 0.5, 0.5, 0.5],
  [2, 1, -1, -2].map((value) => value / Math.sqrt(10)),
  [0.5, -0.5, -0.5, 0.5],
  [1, -2, 2, -1].map((value) => value / Math.sqrt(10)),
];
const matrix = Float64Array.from(rows.flat());

/** Quantisation steps of the first six parameters; every six double them. */
const firstSteps = [0.625, 0.6875, 0.8125, 0.875, 1, 1.125];
const step = (parameter: number): number => firstSteps[parameter % 6] * 2 ** Math.floor(parameter / 6);

/** Parameter of chroma for luma's 30 to 51 (table 8-15); below they are equal. */
const chromaParameters = [29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39];

/** Intra coders round down from two thirds on, which leaves more zeros. */
const rounding = 1 / 3;

/**
 * What an H.264-like intra coder leaves of a face: YCbCr 4:2:0; every 4 x 4 block is predicted from
 * the decoded pixels above or to the left of it (vertical, horizontal or mean, whichever is
 * nearest), the difference transformed, quantised and decoded. No other block sizes or modes, no
 * motion, no deblocking filter: it is a model of the artefacts, not a coder.
 *
 * @param parameter quantisation parameter, 0 to 51
 */
export function compressH264(pixels: Pixels, parameter: number): Pixels {
  const { luma, blue, red } = toYuv(pixels);
  const chroma = step(parameter < 30 ? parameter : chromaParameters[parameter - 30]);
  codeChannel(luma, step(parameter));
  codeChannel(blue, chroma);
  codeChannel(red, chroma);
  return toRgb({ luma, blue, red }, pixels.width, pixels.height);
}

/** Codes and decodes the channel in place, block by block in reading order. */
function codeChannel(channel: Channel, size: number): void {
  const { width, height, data } = channel;
  const block = new Float64Array(16);
  for (let top = 0; top < height; top += 4)
    for (let left = 0; left < width; left += 4) {
      const predicted = predict(channel, top, left);
      for (let at = 0; at < 16; at++) block[at] = data[(top + (at >> 2)) * width + left + (at & 3)] - predicted[at];
      transformBlock(block, matrix, 4, false);
      for (let at = 0; at < 16; at++) {
        const value = block[at];
        block[at] = Math.sign(value) * Math.floor(Math.abs(value) / size + rounding) * size;
      }
      transformBlock(block, matrix, 4, true);
      for (let at = 0; at < 16; at++) {
        const value = Math.round(predicted[at] + block[at]);
        data[(top + (at >> 2)) * width + left + (at & 3)] = Math.min(Math.max(value, 0), 255);
      }
    }
}

/**
 * The prediction that is nearest to the block in absolute differences; what lies above and left is
 * decoded already.
 */
function predict({ width, data }: Channel, top: number, left: number): Float64Array {
  const above = top > 0 ? [0, 1, 2, 3].map((x) => data[(top - 1) * width + left + x]) : undefined;
  const leftColumn = left > 0 ? [0, 1, 2, 3].map((y) => data[(top + y) * width + left - 1]) : undefined;
  const known = [...(above ?? []), ...(leftColumn ?? [])];
  const mean = known.length === 0 ? 128 : Math.round(known.reduce((sum, value) => sum + value, 0) / known.length);
  const modes = [
    new Float64Array(16).fill(mean),
    ...(above ? [Float64Array.from({ length: 16 }, (_, at) => above[at & 3])] : []),
    ...(leftColumn ? [Float64Array.from({ length: 16 }, (_, at) => leftColumn[at >> 2])] : []),
  ];
  const distance = (mode: Float64Array): number =>
    mode.reduce((sum, value, at) => sum + Math.abs(value - data[(top + (at >> 2)) * width + left + (at & 3)]), 0);
  return modes.reduce((best, mode) => (distance(mode) < distance(best) ? mode : best));
}
