import type { Pixels } from "./types.ts";

/**
 * Bytes of one to four channels as red, green and blue: grey in all three, an alpha left out. Three
 * channels are not copied.
 */
export function toRgb(data: Uint8Array | Uint8ClampedArray, channels: number, area: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const rgb = new Uint8Array(area * 3);
  const step = channels < 3 ? 0 : 1;
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + step];
    rgb[to + 2] = data[from + 2 * step];
  }
  return rgb;
}

/** Mirrors left and right. Returns new pixels. */
export function flip(pixels: Pixels): Pixels {
  const { width, height, data } = pixels;
  const mirrored = new Uint8Array(data.length);
  for (let row = 0; row < height; row++) {
    let to = row * width * 3;
    for (let from = to + (width - 1) * 3; from >= row * width * 3; from -= 3) {
      mirrored[to] = data[from];
      mirrored[to + 1] = data[from + 1];
      mirrored[to + 2] = data[from + 2];
      to += 3;
    }
  }
  return { width, height, data: mirrored };
}

/**
 * Writes a face as three planes (red, green, blue), the layout that a network's input has.
 *
 * @param out at least `offset + 3 * width * height` long
 * @param offset where the red plane starts
 */
export function toPlanes(pixels: Pixels, out: Uint8Array | Float32Array, offset: number): void {
  const { data } = pixels;
  const area = pixels.width * pixels.height;
  if (out.length < offset + 3 * area)
    throw new RangeError(`no room for ${3 * area} values at ${offset} of ${out.length}`);
  for (let at = 0, from = 0; at < area; at++, from += 3) {
    out[offset + at] = data[from];
    out[offset + area + at] = data[from + 1];
    out[offset + 2 * area + at] = data[from + 2];
  }
}

/**
 * Undoes {@link toPlanes}: the bytes of an image of three planes, pixel by pixel.
 *
 * @param planes 8-bit red, green and blue planes of one image
 * @param channels 4 adds an opaque alpha, as a canvas has it
 */
export function fromPlanes(planes: Uint8Array, channels: 3 | 4 = 3): Uint8Array<ArrayBuffer> {
  const area = planes.length / 3;
  const data = new Uint8Array(channels * area).fill(255);
  for (let at = 0, to = 0; at < area; at++, to += channels)
    for (let plane = 0; plane < 3; plane++) data[to + plane] = planes[plane * area + at];
  return data;
}
