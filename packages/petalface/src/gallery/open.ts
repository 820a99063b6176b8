import { randomUUID } from "node:crypto";
import { link, rm } from "node:fs/promises";
import { PetalfaceError } from "../errors.ts";
import { writeFailure } from "../files.ts";
import { printPath } from "../print-path.ts";
import { galleryAddress } from "./address.ts";
import { createInPostgres, dropInPostgres, openInPostgres, refuseTaken, renameInPostgres } from "./postgres/open.ts";
import type { EmbeddingRecord } from "./record.ts";
import { createFile } from "./sqlite/create.ts";
import { openFile } from "./sqlite/open.ts";
import type { GalleryStore } from "./store.ts";
import type { GallerySettings } from "./types.ts";

/**
 * Makes an empty gallery. It appears when it is whole, and never over another one.
 *
 * @param address a new file, or `postgres://USER@HOST/DATABASE?gallery=NAME`
 * @throws PetalfaceError where there is one already, or it cannot be written
 */
export async function createGallery(
  address: string,
  record: EmbeddingRecord,
  settings: GallerySettings,
): Promise<void> {
  const place = galleryAddress(address);
  if (place.kind === "file") await createFile(place.path, record, settings);
  else await createInPostgres(place, record, settings);
}

/**
 * Opens a gallery; close it after use.
 *
 * @param address its file, or `postgres://USER@HOST/DATABASE?gallery=NAME`
 * @param parts `allowed`: also one part of a gallery on several servers, which does not know most
 * of the people
 * @throws PetalfaceError where it does not exist, is none, is damaged, or was made by a newer
 * petalface
 */
export async function openGallery(
  address: string,
  { parts = "refused" }: { readonly parts?: "allowed" | "refused" } = {},
): Promise<GalleryStore> {
  const place = galleryAddress(address);
  const store = place.kind === "file" ? await openFile(place.path) : await openInPostgres(place);
  if (parts === "allowed") return store;
  try {
    refusePart(store.path, store.settings);
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

/** Throws PetalfaceError where a gallery is one part of one on several servers. */
export function refusePart(path: string, { part }: GallerySettings): void {
  if (part === undefined) return;
  throw new PetalfaceError(
    "PETAL_OPTION_UNFIT",
    `${printPath(path)} is part ${part.at + 1} of ${part.of} of a gallery on several servers; ` +
      "name all of its servers, as the commands of petalface gallery can with one 'store' each",
  );
}

/** Deletes a gallery in PostgreSQL with all its faces. */
export async function dropGallery(address: string): Promise<void> {
  const place = galleryAddress(address);
  if (place.kind === "postgres") await dropInPostgres(place);
}

/**
 * Makes a gallery with what `fill` enrols. It appears under its name when it is whole; where `fill`
 * throws nothing is left.
 *
 * @throws PetalfaceError where there is one already, or it cannot be written
 */
export async function makeWhole(
  address: string,
  record: EmbeddingRecord,
  settings: GallerySettings,
  fill: (store: GalleryStore) => Promise<void>,
): Promise<void> {
  const place = galleryAddress(address);
  const fillAt = async (store: GalleryStore): Promise<void> => {
    try {
      await fill(store);
    } finally {
      await store.close();
    }
  };
  if (place.kind === "postgres") {
    const part = { ...place, gallery: `import ${randomUUID()}` };
    await refuseTaken(place);
    await createInPostgres(part, record, settings);
    try {
      await fillAt(await openInPostgres(part));
      await renameInPostgres(part, place.gallery);
    } catch (error) {
      await dropInPostgres(part);
      throw error;
    }
    return;
  }
  const { path } = place;
  const part = `${path}.${process.pid}.import`;
  await rm(part, { force: true }).catch((error: unknown) => {
    throw writeFailure(printPath(path), error);
  });
  try {
    await createFile(part, record, settings);
    await fillAt(await openFile(part));
    await link(part, path).catch((error: NodeJS.ErrnoException) => {
      throw error.code === "EEXIST"
        ? new PetalfaceError(
            "PETAL_OUTPUT_EXISTS",
            `${printPath(path)} is there already, and a gallery is never replaced; give another name`,
          )
        : writeFailure(printPath(path), error);
    });
  } finally {
    for (const ending of ["", "-wal", "-shm"]) await rm(part + ending, { force: true });
  }
}
