import { calibrationOf } from "../../api/gallery/calibration.ts";
import { sourceOf } from "../../api/gallery/model.ts";
import { readThresholds } from "../../api/gallery/thresholds.ts";
import { openModel } from "../../api/model.ts";
import type { Surroundings } from "../../api/surroundings.ts";
import { createGallery, type EmbeddingRecord, embeddingRecord, refuseOtherThresholds } from "../../gallery/index.ts";
import { printPath } from "../../images/index.ts";
import { checkCopies, defaultCopySizes } from "../../matching/index.ts";
import type { ModelChoices } from "../../models/index.ts";
import { createGalleryParts } from "../search/parts.ts";
import type { GalleryPlace } from "./place.ts";

/** The model of a new gallery, and what the gallery keeps. */
export interface NewGallery extends ModelChoices {
  readonly model: string;
  readonly adapter?: string | undefined;
  /** Sides of low-resolution copies, `SIDE,SIDE,...` or `none`; the usual ones unless given. */
  readonly copies?: string | undefined;
  readonly keepCrops?: boolean | undefined;
  /** A JSON file of thresholds by alpha, or what `petalface threshold` wrote. */
  readonly thresholds?: string | undefined;
  /** Scores of `sharpness` at which alpha is 0 and 1, where no adapter says it. */
  readonly alphaRange?: readonly number[] | undefined;
}

/** A gallery that was made. */
export interface MadeGallery {
  readonly record: EmbeddingRecord;
  readonly copies: readonly number[];
}

/** Makes an empty gallery, or all its parts: `petalface gallery create`. Throws PetalfaceError. */
export async function createGalleryAt(
  { addresses }: GalleryPlace,
  options: NewGallery,
  surroundings: Pick<Surroundings, "note">,
): Promise<MadeGallery> {
  const opened = await openModel(options);
  const calibration = calibrationOf(opened, options, surroundings);
  const record = embeddingRecord(opened.backbone, opened.adapter, calibration, await sourceOf(options));
  const thresholds = options.thresholds === undefined ? null : await readThresholds(options.thresholds);
  if (thresholds !== null) refuseOtherThresholds(thresholds, record, printPath(options.thresholds ?? ""));
  const copies = copiesOf(options.copies, opened.backbone.size);
  const settings = { copies, keepCrops: options.keepCrops === true, thresholds };
  const [address, ...others] = addresses;
  if (others.length > 0) await createGalleryParts(addresses, record, settings);
  else await createGallery(address, record, settings);
  return { record, copies };
}

/**
 * Sides of copies: those asked for, or the usual ones that are smaller than the model's input.
 * Throws PetalfaceError.
 */
function copiesOf(asked: string | undefined, size: number): readonly number[] {
  if (asked === undefined) return defaultCopySizes.filter((side) => side < size);
  if (asked === "none") return [];
  const sizes = asked.split(",").map((part) => (/^\s*\d{1,5}\s*$/.test(part) ? Number(part) : Number.NaN));
  checkCopies({ sizes, weight: 0 }, size);
  return sizes;
}
