import { random } from "../../random.ts";
import type { Pixels } from "../types.ts";
import { blurDisc, blurGaussian, blurMotion } from "./blur.ts";
import { compressH264 } from "./h264.ts";
import { misalign } from "./jitter.ts";
import { compressJpeg } from "./jpeg.ts";
import { addNoise, applyGamma } from "./sensor.ts";
import { desaturate, infrared, sharpen } from "./tone.ts";
import { warp } from "./turbulence.ts";
import type { CameraDegradation, Kernel, Stage } from "./types.ts";

/** Resizes to these sides; the caller keeps what it can of the work between faces. */
export type Resize = (pixels: Pixels, width: number, height: number, kernel: Kernel) => Pixels;

/**
 * Does all stages in order, each from 8 bits to 8 bits, and enlarges the face to the size that it
 * had.
 */
export function applyCamera(pixels: Pixels, { stages, up, seed }: CameraDegradation, resize: Resize): Pixels {
  const { width, height } = pixels;
  let face = pixels;
  for (const [place, stage] of stages.entries()) face = applyStage(face, stage, place, seed, resize);
  return face.width === width && face.height === height ? face : resize(face, width, height, up);
}

function applyStage(face: Pixels, { name, value, kernel }: Stage, place: number, seed: number, resize: Resize): Pixels {
  const stream = () => random(name, seed, place);
  switch (name) {
    case "down": {
      const [width, height] = [Math.min(value, face.width), Math.min(value, face.height)];
      return width === face.width && height === face.height ? face : resize(face, width, height, kernel ?? "area");
    }
    case "blur":
      return blurGaussian(face, value);
    case "defocus":
      return blurDisc(face, value);
    case "motion":
      return blurMotion(face, value, Math.PI * stream().uniform());
    case "turbulence":
      return warp(face, value, stream());
    case "noise":
      return value === 0 ? face : addNoise(face, { read: value, shot: 0 }, stream());
    case "shot":
      return value === 0 ? face : addNoise(face, { read: 0, shot: value }, stream());
    case "gamma":
      return value === 1 ? face : applyGamma(face, value);
    case "sharpen":
      return value === 0 ? face : sharpen(face, value);
    case "jitter":
      return misalign(face, value, stream());
    case "grey":
      return value === 0 ? face : desaturate(face, value);
    case "ir":
      return infrared(face, value, stream());
    case "jpeg":
      return compressJpeg(face, value);
    case "h264":
      return compressH264(face, value);
  }
}
