import type { Random } from "../../random.ts";
import type { Pixels } from "../types.ts";
import { sampleAt } from "./sample.ts";

/**
 * A crop that is slightly wrong, as after finding the face at low resolution: shifted by up to
 * `percent` of the side on each axis, scaled by up to `percent` either way and turned by up to
 * `percent` hundredths of a radian, each drawn evenly. About the middle; edges are repeated
 * outwards.
 */
export function misalign(pixels: Pixels, percent: number, stream: Random): Pixels {
  if (percent === 0) return pixels;
  const { width, height } = pixels;
  const most = percent / 100;
  const drawn = (): number => most * (2 * stream.uniform() - 1);
  const [right, down, scale, turn] = [drawn() * width, drawn() * height, Math.exp(drawn()), drawn()];
  const [cos, sin] = [Math.cos(turn) / scale, Math.sin(turn) / scale];
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  const xs = new Float64Array(width * height);
  const ys = new Float64Array(width * height);
  for (let at = 0; at < xs.length; at++) {
    const x = (at % width) - middleX - right;
    const y = Math.floor(at / width) - middleY - down;
    xs[at] = middleX + cos * x + sin * y;
    ys[at] = middleY - sin * x + cos * y;
  }
  return sampleAt(pixels, xs, ys);
}
