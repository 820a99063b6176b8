import type { Pixels } from "./types.ts";

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
