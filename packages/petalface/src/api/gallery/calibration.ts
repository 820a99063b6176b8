import { PetalfaceError } from "../../errors.ts";
import {
  type Calibration,
  knowsPhotos,
  measureOf,
  photoCalibration,
  printCalibration,
  rangeCalibration,
} from "../../quality/index.ts";
import type { OpenedModel } from "../model.ts";
import type { Surroundings } from "../surroundings.ts";

/**
 * How a model's faces become alpha: as its adapter says, or the user, or as photos of its size do.
 */
export function calibrationOf(
  { backbone, adapter }: OpenedModel,
  options: { readonly alphaRange?: readonly number[] | undefined },
  { note }: Pick<Surroundings, "note">,
): Calibration | undefined {
  if (adapter !== undefined) return adapter.config.calibration;
  const sharpness = measureOf("sharpness");
  if (options.alphaRange !== undefined) {
    const [low, high] = options.alphaRange;
    if (options.alphaRange.length !== 2 || low === undefined || high === undefined || low === high)
      throw new PetalfaceError("PETAL_OPTION_INVALID", "'alphaRange' is two different numbers, LOW,HIGH");
    return rangeCalibration(sharpness, low, high);
  }
  if (!knowsPhotos(sharpness.name, backbone.size)) {
    note(
      `note: nothing says which faces of ${backbone.size} px are sharp, so all count as sharp (alpha 1); 'alphaRange' says it`,
    );
    return undefined;
  }
  const calibration = photoCalibration(sharpness, backbone.size);
  note(printCalibration(calibration));
  return calibration;
}
