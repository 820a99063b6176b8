import type { Pixels } from "../types.ts";

/** One channel whose sides are whole blocks. */
export interface Channel {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** Luma at full size and two chroma channels at half of it, each from 0 to 255. */
export interface Yuv {
  readonly luma: Channel;
  readonly blue: Channel;
  readonly red: Channel;
}

/**
 * RGB to YCbCr of full range (JFIF 1.02, ITU-T T.871: BT.601 weights), rounded to whole numbers,
 * chroma averaged over 2 x 2 pixels (4:2:0). Sides grow to multiples of 16 by repeating the last
 * row and column.
 */
export function toYuv({ width, height, data }: Pixels): Yuv {
  const [wide, high] = [Math.ceil(width / 16) * 16, Math.ceil(height / 16) * 16];
  const plane = (): Float32Array => new Float32Array(wide * high);
  const [luma, blue, red] = [plane(), plane(), plane()];
  for (let row = 0; row < high; row++)
    for (let column = 0; column < wide; column++) {
      const from = (Math.min(row, height - 1) * width + Math.min(column, width - 1)) * 3;
      const [r, g, b] = [data[from], data[from + 1], data[from + 2]];
      const at = row * wide + column;
      luma[at] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
      blue[at] = Math.round(128 - 0.168736 * r - 0.331264 * g + 0.5 * b);
      red[at] = Math.round(128 + 0.5 * r - 0.418688 * g - 0.081312 * b);
    }
  return {
    luma: { width: wide, height: high, data: luma },
    blue: halve(blue, wide, high),
    red: halve(red, wide, high),
  };
}

function halve(values: Float32Array, width: number, height: number): Channel {
  const out = new Float32Array((width * height) / 4);
  for (let row = 0; row < height / 2; row++)
    for (let column = 0; column < width / 2; column++) {
      const at = 2 * row * width + 2 * column;
      const sum = values[at] + values[at + 1] + values[at + width] + values[at + width + 1];
      // Half-way cases go up and down by turns, as libjpeg does, so that the mean stays.
      out[(row * width) / 2 + column] = Math.floor((sum + 1 + (column % 2)) / 4);
    }
  return { width: width / 2, height: height / 2, data: out };
}

/**
 * The way back, cut to `width` x `height`. Chroma is enlarged with the triangle filter that libjpeg
 * calls fancy upsampling.
 */
export function toRgb({ luma, blue, red }: Yuv, width: number, height: number): Pixels {
  const blues = double(blue, width, height);
  const reds = double(red, width, height);
  const out = new Uint8ClampedArray(width * height * 3);
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const y = luma.data[row * luma.width + column];
      const cb = blues[row * width + column] - 128;
      const cr = reds[row * width + column] - 128;
      const to = (row * width + column) * 3;
      out[to] = y + 1.402 * cr;
      out[to + 1] = y - 0.344136 * cb - 0.714136 * cr;
      out[to + 2] = y + 1.772 * cb;
    }
  return { width, height, data: new Uint8Array(out.buffer) };
}

/**
 * Twice the size: 9/16 of the nearest value, 3/16 of the two adjacent ones, 1/16 of the one across.
 */
function double(channel: Channel, width: number, height: number): Float32Array {
  const used = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const out = new Float32Array(width * height);
  const clamp = (at: number, length: number): number => Math.min(Math.max(at, 0), length - 1);
  for (let row = 0; row < height; row++) {
    const near = row >> 1;
    const far = clamp(near + (row % 2 === 0 ? -1 : 1), used.height);
    for (let column = 0; column < width; column++) {
      const close = column >> 1;
      const away = clamp(close + (column % 2 === 0 ? -1 : 1), used.width);
      const value = (line: number, place: number): number => channel.data[line * channel.width + place];
      out[row * width + column] = Math.floor(
        (9 * value(near, close) +
          3 * value(near, away) +
          3 * value(far, close) +
          value(far, away) +
          7 +
          (column % 2 === 0 ? 1 : 0)) /
          16,
      );
    }
  }
  return out;
}
