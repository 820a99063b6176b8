import type { Random } from "../../random.ts";
import type { Pixels } from "../types.ts";
import { blurGaussian } from "./blur.ts";

/** Luma weights of R, G, B (ITU-R BT.601). */
const luma = [0.299, 0.587, 0.114] as const;
/** Exponent between stored values and light. */
const display = 2.2;

/**
 * Unsharp masking, as cameras and phones do: the face plus `amount` times its difference from its
 * Gaussian blur of one pixel.
 */
export function sharpen(pixels: Pixels, amount: number): Pixels {
  const soft = blurGaussian(pixels, 1).data;
  const out = Uint8ClampedArray.from(pixels.data, (value, at) => value + amount * (value - soft[at]));
  return { ...pixels, data: new Uint8Array(out.buffer) };
}

/** Goes `share` of the way to grey (BT.601 luma). */
export function desaturate(pixels: Pixels, share: number): Pixels {
  const { data } = pixels;
  const out = new Uint8ClampedArray(data.length);
  for (let at = 0; at < data.length; at += 3) {
    const grey = luma.reduce((sum, weight, channel) => sum + weight * data[at + channel], 0);
    for (let channel = 0; channel < 3; channel++) {
      const value = data[at + channel];
      out[at + channel] = value + share * (grey - value);
    }
  }
  return { ...pixels, data: new Uint8Array(out.buffer) };
}

/**
 * Night under an infrared lamp, grey: skin is bright, as red light sees it, and the lamp's light
 * falls off towards the edges. In linear light: R plus up to half of G and up to a fifth of B,
 * times `exp(-fall r^2)` with r from 0 in the lamp's middle to 1 a side away, scaled to the mean of
 * before. The middle is drawn around that of the face (standard deviation a tenth of the side).
 */
export function infrared(pixels: Pixels, fall: number, stream: Random): Pixels {
  const { width, height, data } = pixels;
  const [green, blue] = [0.5 * stream.uniform(), 0.2 * stream.uniform()];
  const [lampX, lampY] = [width * (0.5 + 0.1 * stream.normal()), height * (0.5 + 0.1 * stream.normal())];
  const table = Float64Array.from({ length: 256 }, (_, value) => (value / 255) ** display);
  const light = (at: number): number => table[data[at]];
  const lit = new Float64Array(width * height);
  let before = 0;
  let after = 0;
  for (let pixel = 0; pixel < lit.length; pixel++) {
    const at = 3 * pixel;
    const seen = (light(at) + green * light(at + 1) + blue * light(at + 2)) / (1 + green + blue);
    const x = ((pixel % width) + 0.5 - lampX) / width;
    const y = (Math.floor(pixel / width) + 0.5 - lampY) / height;
    lit[pixel] = seen * Math.exp(-fall * (x * x + y * y));
    before += seen;
    after += lit[pixel];
  }
  const gain = after > 0 ? before / after : 1;
  const out = new Uint8ClampedArray(data.length);
  lit.forEach((value, pixel) => {
    out.fill(255 * Math.min(value * gain, 1) ** (1 / display), 3 * pixel, 3 * pixel + 3);
  });
  return { ...pixels, data: new Uint8Array(out.buffer) };
}
