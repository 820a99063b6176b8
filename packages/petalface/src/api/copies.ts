import { PetalfaceError } from "../errors.ts";
import { type CopyOptions, type CopyWeight, checkCopies, defaultCopyWeight } from "../matching/index.ts";
import type { OpenedModel } from "./model.ts";

/** Low-resolution copies that faces are enrolled with (docs/copies.md). */
export interface EnrolledCopies {
  /** Sides in pixels that each photo is shrunk to, such as `[16, 12]`. */
  readonly sizes: readonly number[];
  /**
   * How much the copies weigh: a number from 0 to 10, or `alpha`, which is 1 - alpha of the probe.
   */
  readonly weight?: CopyWeight | undefined;
}

/**
 * How a set is enrolled; the weight is 0.25 unless given. Throws PetalfaceError for what cannot be.
 *
 * @param size side of the model's input in pixels
 */
export function copiesFor(
  given: EnrolledCopies | undefined,
  size: number,
  usual: CopyWeight = defaultCopyWeight,
): CopyOptions | undefined {
  if (given === undefined) return undefined;
  const copies = { sizes: given.sizes, weight: given.weight ?? usual };
  checkCopies(copies, size);
  return copies;
}

/** How a gallery is enrolled: with an adapter the weight follows its alpha unless it is given. */
export function galleryCopiesFor(
  given: EnrolledCopies | undefined,
  { backbone, adapter }: OpenedModel,
): CopyOptions | undefined {
  const copies = copiesFor(given, backbone.size, adapter === undefined ? defaultCopyWeight : "alpha");
  if (copies?.weight === "alpha" && adapter === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `copies whose weight is alpha need an adapter, which judges alpha; give one, or a number such as ${defaultCopyWeight}`,
    );
  return copies;
}

/** `16, 12 px, weight alpha`. */
export const printCopies = ({ sizes, weight }: CopyOptions): string => `${sizes.join(", ")} px, weight ${weight}`;
