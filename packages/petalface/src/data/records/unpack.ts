import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { PetalfaceError } from "../../errors.ts";
import { openFileSet } from "../../files.ts";
import { endingOf, openImageStore, printPath } from "../../images/index.ts";
import { isLitter } from "../../litter.ts";
import type { FaceData } from "../types.ts";
import { tallyOf, type Unreadable } from "../unreadable.ts";

/** How files are taken out. */
export interface UnpackOptions {
  readonly onProgress?: ((done: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Writes each image of a record file or verification list as the file that it was, bytes unchanged:
 * `PERSON/NUMBER.jpg`, or `NUMBER.jpg` where the person is unknown. All of them appear, or none.
 *
 * @param folder new, or empty
 * @returns how many were written, and which could not be
 * @throws PetalfaceError where the set is no such file, the folder holds something, or more than 5
 * % of the images are damaged
 */
export async function unpackRecords(
  data: FaceData,
  folder: string,
  { onProgress, signal }: UnpackOptions,
): Promise<{ readonly images: number; readonly unreadable: Unreadable }> {
  const entries = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return [];
    throw new PetalfaceError("PETAL_OUTPUT_FAILED", `cannot use ${printPath(folder)}: ${cause.code}`, { cause });
  });
  if (!entries.every(isLitter))
    throw new PetalfaceError("PETAL_OUTPUT_EXISTS", `${printPath(folder)} is not empty; name a new folder`);
  const tally = tallyOf(data);
  await using files = await openFileSet(folder);
  const store = openImageStore();
  let images = 0;
  try {
    for (let at = 0; at < data.length; at++) {
      signal?.throwIfAborted();
      const { id, person, source } = data.at(at);
      if (source.kind !== "record" && source.kind !== "bytes")
        throw new PetalfaceError(
          "PETAL_DATA_UNFIT",
          `${printPath(data.spec)} is not a record file (.rec) or verification list (.bin)`,
        );
      tally.tried(1);
      try {
        const bytes = store.read(source);
        const ending = endingOf(bytes);
        if (ending === undefined)
          throw new PetalfaceError("PETAL_DATA_DAMAGED", `${printPath(source.path)}, image ${id}: no image format`);
        const parts = person < 0 ? [] : [String(data.people[person])];
        await files.write(join(...parts, `${id}${ending}`), bytes);
        images++;
      } catch (error) {
        if (!(error instanceof PetalfaceError) || error.message.startsWith("cannot write")) throw error;
        tally.bad(error.message);
      }
      onProgress?.(at + 1);
    }
    await files.finish();
  } finally {
    store.close();
  }
  return { images, unreadable: tally.report() };
}
