import { PetalfaceError } from "../errors.ts";
import { type AreaAxis, areaAxis, shrinkArea } from "./area.ts";
import { type BilinearAxis, bilinearAxis, interpolate } from "./bilinear.ts";
import {
  applyCamera,
  drawCamera,
  type Kernel,
  mildestCamera,
  parseCamera,
  printCamera,
  resample,
} from "./camera/index.ts";
import type { Degradation, DegradationSpec, Pixels } from "./types.ts";

/** Degrades faces one after another and keeps the weights of every size that it met. */
export type Degrader = (pixels: Pixels, degradation: Degradation) => Pixels;

/** Opens a {@link Degrader}; {@link degrade} documents it. */
export function createDegrader(): Degrader {
  const resize = createResize();
  return (pixels, degradation) => {
    if (degradation.kind === "camera") return applyCamera(pixels, degradation, resize);
    const side = checkPixels(degradation.pixels);
    const { width, height } = pixels;
    if (side >= width && side >= height) return pixels;
    return resize(resize(pixels, Math.min(side, width), Math.min(side, height), "area"), width, height, "bilinear");
  };
}

/**
 * Resizing that keeps the weights of area shrinking and bilinear enlarging, which most faces need.
 */
function createResize() {
  const shrinking = new Map<string, AreaAxis>();
  const enlarging = new Map<string, BilinearAxis>();
  const kept = <Axis>(known: Map<string, Axis>, make: (from: number, to: number) => Axis, from: number, to: number) => {
    const key = `${from}>${to}`;
    const axis = known.get(key) ?? make(from, to);
    known.set(key, axis);
    return axis;
  };
  return (pixels: Pixels, width: number, height: number, kernel: Kernel): Pixels => {
    if (kernel === "area") {
      const across = kept(shrinking, areaAxis, pixels.width, width);
      return shrinkArea(pixels, across, kept(shrinking, areaAxis, pixels.height, height));
    }
    if (kernel !== "bilinear" || width < pixels.width || height < pixels.height)
      return resample(pixels, width, height, kernel);
    const across = kept(enlarging, bilinearAxis, pixels.width, width);
    return interpolate(pixels, across, kept(enlarging, bilinearAxis, pixels.height, height));
  };
}

/**
 * Degrades a face. `lr`: shrunk to `pixels` x `pixels` by averaging and enlarged back, bilinear,
 * both on 8 bits; equal to OpenCV's INTER_AREA followed by INTER_LINEAR. A face that is already
 * smaller stays as it is. `camera`: docs/degradation.md.
 */
export function degrade(pixels: Pixels, degradation: Degradation): Pixels {
  return createDegrader()(pixels, degradation);
}

/**
 * Reads the spelling of a degradation on the command line: `lr:16`, or stages in the order in which
 * they are done, each a value or a range, such as
 * `blur=0-2,down=8-24:any,noise=0-10,jpeg=20-80@0.5,up=any,seed=3` (docs/degradation.md).
 *
 * @throws PetalfaceError (wrong usage) for any other text
 */
export function parseDegradation(text: string): DegradationSpec {
  const match = /^lr:(\d{1,5})$/.exec(text.trim());
  const pixels = Number(match?.[1]);
  if (match !== null && pixels >= 2) return { kind: "lr", pixels };
  const spec = text.includes("=") ? parseCamera(text.trim()) : undefined;
  if (typeof spec === "object") return spec;
  throw new PetalfaceError(
    `unknown degradation ${JSON.stringify(text)}${spec === undefined ? "" : `: ${spec}`}; write lr:PIXELS with at least 2, such as lr:16, or stages such as down=8-24,noise=0-10,jpeg=20-80`,
    { exitCode: 2 },
  );
}

/** The spelling that {@link parseDegradation} reads. */
export function printDegradation(spec: DegradationSpec): string {
  return spec.kind === "lr" ? `lr:${spec.pixels}` : printCamera(spec);
}

/**
 * Draws what is done to one face. It depends on the spec and the seed alone; `lr` has nothing to
 * draw.
 */
export function drawDegradation(spec: DegradationSpec, ...seed: readonly (string | number)[]): Degradation {
  return spec.kind === "lr" ? spec : drawCamera(spec, ...seed);
}

/** The best that a face can fare under a spec if every stage is done to it. */
export function mildestDegradation(spec: DegradationSpec): Degradation {
  return spec.kind === "lr" ? spec : mildestCamera(spec);
}

function checkPixels(pixels: number): number {
  if (!Number.isInteger(pixels) || pixels < 2) {
    throw new RangeError(`a degradation to ${pixels} pixels; it must be a whole number of at least 2`);
  }
  return pixels;
}
