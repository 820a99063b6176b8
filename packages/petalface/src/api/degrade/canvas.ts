import sharp from "sharp";
import { fromPlanes } from "../../images/index.ts";

/** A white picture that faces of one size are put on. */
export interface Canvas {
  /** Puts a face with its upper left corner at these pixels; 8-bit RGB planes. */
  put(planes: Uint8Array, x: number, y: number): void;
  png(): Promise<Buffer>;
}

/**
 * An empty picture.
 *
 * @param size side of a face in pixels
 */
export function canvas(width: number, height: number, size: number): Canvas {
  const pixels = Buffer.alloc(3 * width * height, 255);
  return {
    put(planes, x, y) {
      const face = fromPlanes(planes);
      for (let row = 0; row < size; row++)
        pixels.set(face.subarray(3 * row * size, 3 * (row + 1) * size), ((y + row) * width + x) * 3);
    },
    png: () =>
      sharp(pixels, { raw: { width, height, channels: 3 } })
        .png()
        .toBuffer(),
  };
}
