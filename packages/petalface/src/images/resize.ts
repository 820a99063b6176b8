import { areaAxis, shrinkArea } from "./area.ts";
import { resizeBilinear } from "./bilinear.ts";
import type { Pixels } from "./types.ts";

/**
 * Resizes: each axis by area where it shrinks and bilinear where it grows. Equal sizes return the
 * argument.
 */
export function resize(pixels: Pixels, width: number, height: number): Pixels {
  const smaller =
    pixels.width > width || pixels.height > height
      ? shrinkArea(
          pixels,
          areaAxis(pixels.width, Math.min(pixels.width, width)),
          areaAxis(pixels.height, Math.min(pixels.height, height)),
        )
      : pixels;
  return smaller.width === width && smaller.height === height ? smaller : resizeBilinear(smaller, width, height);
}
