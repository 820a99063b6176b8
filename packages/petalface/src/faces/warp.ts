import type { Pixels } from "../images/index.ts";
import { inverse, type Similarity } from "./geometry.ts";

/**
 * Cuts a square out of a photo: its pixel (x, y) is the photo where `place` takes there, bilinear,
 * rounded to 8 bits. What lies outside the photo is black, also for the interpolation along the
 * photo's edge, as in insightface (OpenCV's warpAffine with a constant border).
 *
 * @param place photo -> square, in pixels
 * @param size side of the square
 */
export function warp(photo: Pixels, place: Similarity, size: number): Pixels {
  const { a, b, tx, ty } = inverse(place);
  const { width, height, data } = photo;
  const out = new Uint8Array(size * size * 3);
  let to = 0;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++, to += 3) {
      const x = a * column - b * row + tx;
      const y = b * column + a * row + ty;
      if (!(x > -1 && y > -1 && x < width && y < height)) continue;
      const left = Math.floor(x);
      const top = Math.floor(y);
      const [right, low] = [x - left, y - top];
      const inLeft = left >= 0;
      const inRight = left + 1 < width;
      const upper = top >= 0 ? 1 - low : 0;
      const lower = top + 1 < height ? low : 0;
      const upperLeft = inLeft ? upper * (1 - right) : 0;
      const upperRight = inRight ? upper * right : 0;
      const lowerLeft = inLeft ? lower * (1 - right) : 0;
      const lowerRight = inRight ? lower * right : 0;
      const first = (Math.max(top, 0) * width + Math.max(left, 0)) * 3;
      const across = inLeft && inRight ? 3 : 0;
      const down = top >= 0 && top + 1 < height ? 3 * width : 0;
      for (let channel = 0; channel < 3; channel++) {
        const at = first + channel;
        out[to + channel] =
          data[at] * upperLeft +
          data[at + across] * upperRight +
          data[at + down] * lowerLeft +
          data[at + down + across] * lowerRight +
          0.5;
      }
    }
  }
  return { width: size, height: size, data: out };
}
