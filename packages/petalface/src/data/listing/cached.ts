import { realpath } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { itemAt } from "onnx-grad";
import { cacheFolder } from "../../cache.ts";
import { readIndex, writeIndex } from "./index-file.ts";
import { type FileIndex, sizeOf } from "./index-of-files.ts";
import { latest, type Stamps, unchanged } from "./stamps.ts";

/** How a set of files is listed. */
export interface ScanOptions {
  /** Called now and then while files are listed, with their number so far. */
  readonly onProgress?: ((files: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * Folder where lists of large sets are kept; false keeps none. The user's cache folder unless
   * given.
   */
  readonly cache?: string | false | undefined;
  /**
   * Share of the images, in [0, 1], that may be left out because they cannot be read. Default 0.05.
   */
  readonly mostLeftOut?: number | undefined;
  /**
   * Files that a set must have for its list to be kept; smaller ones are listed faster than they
   * are worth a file. Default 20,000.
   */
  readonly cacheFrom?: number | undefined;
}

/**
 * A file system's clock may tick as rarely as this; a folder that changed less long ago may change
 * again unseen.
 */
const clockTick = 2000;
/** Sizes that are compared in a kept list, evenly over the set. */
const samples = 16_384;

/**
 * The list of a set: the kept one if it is still true, else a new one, which is then kept. A kept
 * list is true while every folder (or the manifest) has the times that it had, what could not be
 * read still cannot, and 16,384 of the files, spread evenly, have their sizes. So a file added,
 * removed or renamed is always noticed; one overwritten in place in a large set may not be.
 *
 * @param place the folder or manifest
 * @param root folder that relative paths start from
 */
export async function cachedIndex(
  place: string,
  root: string,
  options: ScanOptions,
  scan: () => Promise<{ readonly index: FileIndex; readonly stamps: Stamps }>,
): Promise<FileIndex> {
  const folder = indexFolder(options);
  if (folder === false) return (await scan()).index;
  const key = await realpath(place).catch(() => place);
  const kept = await readIndex(folder, key);
  if (kept !== undefined && unchanged(kept.stamps) && sameFiles(root, kept.index)) return kept.index;
  const started = Date.now();
  const { index, stamps } = await scan();
  // Keeping a list only saves time: a full disk or a read-only home is not a reason to fail.
  if (mayKeep(options, index.person.length, stamps, started))
    await writeIndex(folder, key, index, stamps).catch(() => {});
  return index;
}

/** Whether a list is worth keeping, and will be noticed to be old. */
export function mayKeep(options: ScanOptions, length: number, stamps: Stamps, started: number): boolean {
  return length >= (options.cacheFrom ?? 20_000) && latest(stamps) < started - clockTick;
}

/** Where lists are kept; false where they are not. */
export function indexFolder({ cache }: ScanOptions): string | false {
  if (cache !== undefined) return cache;
  if (process.env.PETALFACE_INDEX === "off") return false;
  return join(cacheFolder(), "index");
}

function sameFiles(root: string, { person, people, names, inFolders, sizes, lost }: FileIndex): boolean {
  const { length } = sizes;
  const count = Math.min(length, samples);
  for (let sample = 0; sample < count; sample++) {
    const at = Math.floor((sample * length) / count);
    const name = names.at(at);
    const id = inFolders ? `${people[itemAt(person, at)]}/${name}` : name;
    const size = sizeOf(isAbsolute(id) ? id : join(root, id));
    if (typeof size === "string" || Math.min(size, 2 ** 32 - 1) !== sizes[at]) return false;
  }
  for (let at = 0; at < lost.length; at++) if (typeof sizeOf(lost.at(at)) === "number") return false;
  return true;
}
