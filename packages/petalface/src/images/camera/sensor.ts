import type { Random } from "../../random.ts";
import type { Pixels } from "../types.ts";

/** Every value to the power `exponent` on the scale from 0 to 1. */
export function applyGamma(pixels: Pixels, exponent: number): Pixels {
  const table = new Uint8ClampedArray(256).map((_, value) => Math.round(255 * (value / 255) ** exponent));
  return { ...pixels, data: pixels.data.map((value) => table[value]) };
}

/**
 * Adds Gaussian noise whose variance grows with the light (Foi, Trimeche, Katkovnik and Egiazarian
 * 2008, IEEE Trans. Image Processing 17(10), equation 4): `read^2 + shot^2 * value / 255`, in grey
 * levels, each channel on its own.
 */
export function addNoise(
  pixels: Pixels,
  noise: { readonly read: number; readonly shot: number },
  stream: Random,
): Pixels {
  const sigmas = Float64Array.from({ length: 256 }, (_, value) =>
    Math.sqrt(noise.read ** 2 + (noise.shot ** 2 * value) / 255),
  );
  const out = new Uint8ClampedArray(pixels.data.length);
  for (let at = 0; at < out.length; at++) {
    const value = pixels.data[at];
    out[at] = value + sigmas[value] * stream.normal();
  }
  return { ...pixels, data: new Uint8Array(out.buffer) };
}
