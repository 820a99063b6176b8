import { PetalfaceError } from "../errors.ts";
import { type AreaAxis, areaAxis, shrinkArea } from "./area.ts";
import { type BilinearAxis, bilinearAxis, interpolate } from "./bilinear.ts";
import type { Degradation, Pixels } from "./types.ts";

/** Degrades faces one after another and keeps the weights of every size that it met. */
export type Degrader = (pixels: Pixels, degradation: Degradation) => Pixels;

/** One axis of a degradation, there and back. */
interface Axis {
  readonly shrink: AreaAxis;
  readonly enlarge: BilinearAxis;
}

/** Opens a {@link Degrader}; what it does is said at {@link degrade}. */
export function createDegrader(): Degrader {
  const axes = new Map<string, Axis>();
  const axis = (from: number, to: number): Axis => {
    const key = `${from}>${to}`;
    const known = axes.get(key);
    if (known !== undefined) return known;
    const made = { shrink: areaAxis(from, to), enlarge: bilinearAxis(to, from) };
    axes.set(key, made);
    return made;
  };
  return (pixels, degradation) => {
    const side = checkPixels(degradation.pixels);
    if (side >= pixels.width && side >= pixels.height) return pixels;
    const across = axis(pixels.width, Math.min(side, pixels.width));
    const down = axis(pixels.height, Math.min(side, pixels.height));
    const small = shrinkArea(pixels, across.shrink, down.shrink);
    return interpolate(small, across.enlarge, down.enlarge);
  };
}

/**
 * Makes a face worse. `lr`: shrunk to `pixels` x `pixels` by averaging and enlarged back, bilinear, both on 8 bits;
 * equal to OpenCV's INTER_AREA followed by INTER_LINEAR. A face that is already smaller stays as it is.
 */
export function degrade(pixels: Pixels, degradation: Degradation): Pixels {
  return createDegrader()(pixels, degradation);
}

/**
 * Reads the spelling of a degradation on the command line, `lr:16`.
 *
 * @throws PetalfaceError (wrong usage) for any other text
 */
export function parseDegradation(text: string): Degradation {
  const match = /^lr:(\d{1,5})$/.exec(text.trim());
  const pixels = Number(match?.[1]);
  if (match === null || pixels < 2) {
    throw new PetalfaceError(
      `unknown degradation ${JSON.stringify(text)}; write lr:PIXELS with at least 2, such as lr:16`,
      {
        exitCode: 2,
      },
    );
  }
  return { kind: "lr", pixels };
}

/** The spelling that {@link parseDegradation} reads. */
export function printDegradation(degradation: Degradation): string {
  return `${degradation.kind}:${degradation.pixels}`;
}

function checkPixels(pixels: number): number {
  if (!Number.isInteger(pixels) || pixels < 2) {
    throw new RangeError(`a degradation to ${pixels} pixels; it must be a whole number of at least 2`);
  }
  return pixels;
}
