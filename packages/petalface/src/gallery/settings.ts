import { PetalfaceError } from "../errors.ts";
import type { GallerySettings } from "./types.ts";

/** A setting as a store keeps it: a name, and JSON. */
export interface SettingRow {
  readonly key: string;
  readonly value: string;
}

/**
 * The settings of a gallery from the rows of its store.
 *
 * @param shown what messages call the gallery
 * @throws PetalfaceError where they say nothing of copies
 */
export function settingsOf(rows: readonly SettingRow[], shown: string): GallerySettings {
  const read = Object.fromEntries(rows.map(({ key, value }) => [key, JSON.parse(value) as unknown]));
  if (!Array.isArray(read.copies))
    throw new PetalfaceError("PETAL_GALLERY_DAMAGED", `${shown} is damaged: it says nothing of copies`);
  return read as unknown as GallerySettings;
}
