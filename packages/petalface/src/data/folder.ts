import { statSync } from "node:fs";
import { extname, join, resolve } from "node:path";
import { entriesOf, type FolderEntry, onDisk, realPath } from "../disk-names.ts";
import { messageOf, PetalfaceError, readCode, systemCode } from "../errors.ts";
import { holdsImage, imageExtensions, printPath, refusedFormat } from "../images/index.ts";
import { isLitter } from "../litter.ts";
import { byCodeUnits } from "./files.ts";
import type { ScanOptions } from "./listing/cached.ts";
import { createIndex, createPause, type FileIndex } from "./listing/index-of-files.ts";
import { findTwoForms } from "./listing/spelling.ts";
import { createStamps, type Stamps } from "./listing/stamps.ts";
import { requireMost } from "./unreadable.ts";

/** What one folder holds, sorted once it is whole. */
interface Listing {
  readonly folders: string[];
  /** Folders that are called like an image. */
  readonly imageFolders: string[];
  /** Whatever else is called like an image. */
  readonly images: string[];
  others: number;
}

/** Entries read, or sizes asked for, between two turns of the event loop. */
const turn = 4096;

/**
 * Lists a folder of one folder per person, or a flat folder of photos without names. Hidden entries
 * are passed over, files that are not images, whatever they are called, are counted in `skipped`,
 * images that cannot be read in `unreadable`; a person without photos is left out.
 *
 * @returns the index, and the stamps of all folders that it came from Folders within a person's
 * folder (`ID/frontal/01.jpg`) are that person's too; `nested` of the index names one.
 *
 * @throws PetalfaceError where the folder is empty, mixes both layouts, or seems to hold sets of
 * people
 */
export async function scanFolder(
  root: string,
  options: ScanOptions,
): Promise<{ readonly index: FileIndex; readonly stamps: Stamps }> {
  const scan = createScan(options);
  const top = await scan.list(root);
  const [folder, image] = [top.folders[0], top.images[0]];
  if (folder !== undefined && image !== undefined) {
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${printPath(root)} holds both folders (such as ${printPath(folder)}) and loose photos (such as ${printPath(image)}); put each photo into its person's folder`,
    );
  }
  const index = image === undefined ? await indexPeople(root, top, scan) : await indexFlat(root, top, scan);
  if (index.person.length === 0) {
    requireMost(printPath(root), index.unreadable, options.mostLeftOut);
    const others = index.skipped ? ` (${index.skipped} other files were seen)` : "";
    const bad = index.unreadable.first[0] === undefined ? "" : `; ${index.unreadable.first[0]}`;
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `${printPath(root)} holds no photos${others}${bad}; photos end in ${[...imageExtensions].join(" ")}`,
    );
  }
  return { index, stamps: scan.stamps.finish() };
}

type Scan = ReturnType<typeof createScan>;

function createScan({ onProgress, signal }: ScanOptions) {
  const stamps = createStamps();
  const pause = createPause(turn);
  const builder = createIndex();
  let files = 0;
  return {
    stamps,
    builder,
    list: (folder: string) => list(folder, stamps, pause),
    async add(path: string, id: string, name: string, owner: number, people: readonly string[]): Promise<boolean> {
      const added = builder.add(path, id, name, owner, people);
      files++;
      const pausing = pause();
      if (pausing !== undefined) {
        onProgress?.(files);
        await pausing;
        signal?.throwIfAborted();
      }
      return added;
    },
  };
}

async function indexFlat(root: string, { images, imageFolders, others }: Listing, scan: Scan): Promise<FileIndex> {
  for (const name of merge(images, imageFolders)) await scan.add(join(root, name), name, name, -1, []);
  return scan.builder.finish({ people: [], inFolders: false, skipped: others });
}

async function indexPeople(root: string, top: Listing, scan: Scan): Promise<FileIndex> {
  const people: string[] = [];
  const parts = new Set<string>();
  let nested: string | undefined;
  let skipped = top.others;
  for (const folder of merge(top.folders, top.imageFolders)) {
    const path = join(root, folder);
    const owner = people.push(folder) - 1;
    let any = false;
    const around = [realFolder(path)];
    for await (const part of photosWithin(path, "", around, scan)) {
      skipped += part.others;
      for (const name of part.names)
        if (await scan.add(join(path, name), `${folder}/${name}`, name, owner, people)) any = true;
      for (const inner of part.folders) {
        nested ??= `${folder}/${inner}`;
        if (part.within === "") parts.add(inner);
      }
    }
    if (!any) people.pop();
  }
  // ID/frontal and ID/profile name their parts alike; train/ID and test/ID do not, and are not two
  // people.
  if (parts.size > people.length)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${printPath(root)} seems to hold sets of people, not people: ${people.length} folders with ${parts.size} folders of other names in them, such as ${printPath(nested ?? "")}; give one of the sets, or a manifest with a column person`,
    );
  return scan.builder.finish({ people, inFolders: true, skipped, nested });
}

/**
 * What lies in one folder of a person: names of photos, relative to the person's folder, and how
 * many other files.
 */
interface Part {
  /**
   * The folder itself, relative to the person's, with a `/` behind it; empty for the person's own.
   */
  readonly within: string;
  readonly names: readonly string[];
  readonly folders: readonly string[];
  readonly others: number;
}

/**
 * The folders of a person, each before those in it. Links that lead back to a folder around them
 * are not followed.
 */
async function* photosWithin(
  root: string,
  within: string,
  around: readonly string[],
  scan: Scan,
): AsyncGenerator<Part> {
  const { images, imageFolders, folders, others } = await scan.list(join(root, within));
  yield { within, names: merge(images, imageFolders).map((name) => within + name), folders, others };
  for (const folder of folders) {
    const real = realFolder(join(root, within, folder));
    if (!around.includes(real)) yield* photosWithin(root, `${within}${folder}/`, [...around, real], scan);
  }
}

function realFolder(path: string): string {
  try {
    return realPath(path);
  } catch (cause) {
    throw new PetalfaceError(
      readCode(cause, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED"),
      `cannot list ${printPath(path)}: ${systemCode(cause)}`,
      { cause },
    );
  }
}

async function list(folder: string, stamps: ReturnType<typeof createStamps>, pause: () => Promise<void> | undefined) {
  const listing: Listing = { folders: [], imageFolders: [], images: [], others: 0 };
  try {
    stamps.add(resolve(folder));
    for (const entry of entriesOf(folder)) {
      note(folder, entry, listing);
      await pause();
    }
  } catch (cause) {
    throw new PetalfaceError(
      readCode(cause, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED"),
      `cannot list ${printPath(folder)}: ${messageOf(cause).split("\n", 1)[0]}`,
      {
        cause,
      },
    );
  }
  const twice = findTwoForms([...listing.folders, ...listing.imageFolders, ...listing.images]);
  if (twice !== undefined)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${printPath(folder)} holds ${printPath(twice[0])} in two Unicode forms, which look alike and are two names; rename or merge them`,
    );
  listing.folders.sort(byCodeUnits);
  listing.imageFolders.sort(byCodeUnits);
  listing.images.sort(byCodeUnits);
  return listing;
}

function note(folder: string, entry: FolderEntry, listing: Listing): void {
  const { name, kind } = entry;
  if (isLitter(name)) return;
  const image = imageExtensions.has(extname(name).toLowerCase()) || refusedFormat(name) !== undefined;
  // A link counts as what it leads to, and some file systems do not say what an entry is.
  if (kind === "folder" || (kind === "unknown" && isFolder(join(folder, name))))
    (image ? listing.imageFolders : listing.folders).push(name);
  // A file of another name, or none, is looked into.
  else if (image || (kind === "file" && holdsImage(join(folder, name)))) listing.images.push(name);
  else listing.others++;
}

function isFolder(path: string): boolean {
  return statSync(onDisk(path), { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Two sorted lists as one. */
function merge(one: readonly string[], other: readonly string[]): readonly string[] {
  return other.length === 0 ? one : [...one, ...other].sort(byCodeUnits);
}
