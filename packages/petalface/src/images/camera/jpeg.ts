import type { Pixels } from "../types.ts";
import { transformBlock } from "./block.ts";
import { type Channel, toRgb, toYuv } from "./colour.ts";

/** Quantisation of luma and chroma at quality 50, row by row (ITU-T T.81, tables K.1 and K.2). */
const lumaTable = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103, 99,
];
const chromaTable = [
  17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99,
];

/** Rows of the orthonormal DCT-II of eight values. */
const cosines = Float64Array.from({ length: 64 }, (_, at) => {
  const [frequency, place] = [Math.floor(at / 8), at % 8];
  return (frequency === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * place + 1) * frequency * Math.PI) / 16);
});

/**
 * What baseline JPEG leaves of a face: YCbCr 4:2:0, 8 x 8 DCT, quantised with the tables of the
 * standard's annex K scaled by `quality` as the Independent JPEG Group does, and decoded. Entropy
 * coding loses nothing and is left out, so that no encoder's version changes the bits.
 *
 * @param quality 1 to 100
 */
export function compressJpeg(pixels: Pixels, quality: number): Pixels {
  const percent = quality < 50 ? Math.floor(5000 / quality) : 200 - 2 * quality;
  const scale = (table: readonly number[]): number[] =>
    table.map((step) => Math.min(Math.max(Math.floor((step * percent + 50) / 100), 1), 255));
  const { luma, blue, red } = toYuv(pixels);
  quantise(luma, scale(lumaTable));
  const chroma = scale(chromaTable);
  quantise(blue, chroma);
  quantise(red, chroma);
  return toRgb({ luma, blue, red }, pixels.width, pixels.height);
}

/** Quantises the channel's blocks in place. */
function quantise({ width, height, data }: Channel, steps: readonly number[]): void {
  const block = new Float64Array(64);
  for (let top = 0; top < height; top += 8)
    for (let left = 0; left < width; left += 8) {
      for (let at = 0; at < 64; at++) block[at] = data[(top + (at >> 3)) * width + left + (at & 7)] - 128;
      transformBlock(block, cosines, 8, false);
      for (let at = 0; at < 64; at++) block[at] = Math.round(block[at] / steps[at]) * steps[at];
      transformBlock(block, cosines, 8, true);
      for (let at = 0; at < 64; at++)
        data[(top + (at >> 3)) * width + left + (at & 7)] = Math.min(Math.max(Math.round(block[at] + 128), 0), 255);
    }
}
