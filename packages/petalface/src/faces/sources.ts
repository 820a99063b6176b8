import { statSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { itemAt } from "onnx-grad";
import { entriesOf, type FolderEntry, onDisk, plainName, realPath } from "../disk-names.ts";
import { messageOf, PetalfaceError, readCode } from "../errors.ts";
import { holdsImage, imageExtensions, printPath, refusedFormat } from "../images/index.ts";
import { isLitter } from "../litter.ts";

/** A photo or video to align. */
export interface Source {
  /** Path relative to what is aligned, with `/`. */
  readonly id: string;
  readonly path: string;
  readonly kind: "photo" | "video";
  /**
   * Path of its crops relative to the output folder, without the ending; UTF-8, whatever the photo
   * is called.
   */
  readonly stem: string;
  readonly person?: string | undefined;
}

/** What a folder holds, counted in one pass. */
export interface SourceCount {
  readonly photos: number;
  readonly videos: number;
  readonly firstVideo: string | undefined;
  /** Files that are neither. */
  readonly others: number;
  /** Whether all lie in folders within the folder: then the outermost folder is the person. */
  readonly people: boolean;
}

const videoExtensions: ReadonlySet<string> = new Set([
  ".mp4",
  ".m4v",
  ".mov",
  ".avi",
  ".mkv",
  ".webm",
  ".mpg",
  ".mpeg",
  ".wmv",
  ".flv",
  ".3gp",
  ".mts",
  ".m2ts",
]);

/** Whether a file is called like a video. */
export const isVideo = (name: string): boolean => videoExtensions.has(extname(name).toLowerCase());

/**
 * Order of sources: in each folder first its files, then its folders, by code units, the same on
 * every machine. The order in which {@link walkSources} gives them.
 */
export function bySource(one: string, other: string): number {
  const [a, b] = [one.split("/"), other.split("/")];
  for (let at = 0; ; at++) {
    const [left, right] = [itemAt(a, at), itemAt(b, at)];
    const [leftIsFile, rightIsFile] = [at === a.length - 1, at === b.length - 1];
    if (leftIsFile !== rightIsFile) return leftIsFile ? -1 : 1;
    if (left !== right) return left < right ? -1 : 1;
    if (leftIsFile) return 0;
  }
}

/**
 * Counts the photos and videos of a folder. Throws PetalfaceError as {@link walkSources} does, and
 * where there are none.
 */
export function countSources(root: string, signal?: AbortSignal): SourceCount {
  let [photos, videos, others, loose] = [0, 0, 0, 0];
  let firstVideo: string | undefined;
  for (const { id, kind } of walk(root, "", [], signal)) {
    if (kind === "other") {
      others++;
      continue;
    }
    if (kind === "photo") photos++;
    else {
      videos++;
      firstVideo ??= id;
    }
    if (!id.includes("/")) loose++;
  }
  if (photos + videos === 0) {
    const seen = others > 0 ? ` (${others.toLocaleString("en")} other files were seen)` : "";
    throw new PetalfaceError(
      "PETAL_DATA_MISSING",
      `${printPath(root)} holds no photos and no videos${seen}; photos end in ${[...imageExtensions].join(" ")}`,
    );
  }
  return { photos, videos, firstVideo, others, people: loose === 0 };
}

/**
 * Photos and videos of a folder and the folders in it, in the order of {@link bySource}; only one
 * folder's names at a time are in memory. Hidden entries and what {@link isLitter} names are passed
 * over. Links are followed, except those that lead back to a folder around them.
 *
 * @param people whether the outermost folder is the person's name
 * @throws PetalfaceError where a folder cannot be listed
 */
export function* walkSources(root: string, people: boolean, signal?: AbortSignal): Generator<Source> {
  for (const { id, kind, stem } of walk(root, "", [], signal)) {
    if (kind === "other") continue;
    const person = people ? plainName(itemAt(id.split("/", 1), 0)) : undefined;
    yield { id, path: join(root, id), kind, stem, ...(person !== undefined && { person }) };
  }
}

/** One photo or video by itself. */
export function sourceOfFile(path: string): Source {
  const name = basename(path);
  return { id: name, path, kind: isVideo(name) ? "video" : "photo", stem: plainName(withoutEnding(name)) };
}

interface Entry {
  readonly id: string;
  readonly kind: Source["kind"] | "other";
  readonly stem: string;
}

function* walk(root: string, folder: string, around: readonly string[], signal?: AbortSignal): Generator<Entry> {
  const path = join(root, folder);
  signal?.throwIfAborted();
  const inside = [...around, realFolder(path)];
  const entries = listFolder(path).map((entry) => ({ name: entry.name, isFolder: isFolder(path, entry) }));
  const folders = entries.filter((entry) => entry.isFolder).map(({ name }) => name);
  const within = folder === "" ? "" : `${folder}/`;
  const stemOf = createStems(folders);
  for (const { name, isFolder } of entries) {
    if (isFolder) continue;
    const called = imageExtensions.has(extname(name).toLowerCase()) || refusedFormat(name) !== undefined;
    const photo = called || (!isVideo(name) && holdsImage(join(path, name)));
    const kind = photo ? "photo" : isVideo(name) ? "video" : "other";
    yield { id: within + name, kind, stem: kind === "other" ? "" : plainName(within + stemOf(name)) };
  }
  for (const name of folders)
    if (!inside.includes(realFolder(join(path, name)))) yield* walk(root, within + name, inside, signal);
}

function listFolder(path: string): FolderEntry[] {
  try {
    const entries = Array.from(entriesOf(path)).filter(({ name }) => !isLitter(name));
    return entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  } catch (cause) {
    throw cannotList(path, cause);
  }
}

const cannotList = (path: string, cause: unknown): PetalfaceError =>
  new PetalfaceError(
    readCode(cause, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED"),
    `cannot list ${printPath(path)}: ${messageOf(cause).split("\n", 1)[0]}`,
    { cause },
  );

/** A link counts as what it leads to; some file systems do not say what an entry is. */
function isFolder(path: string, { name, kind }: FolderEntry): boolean {
  if (kind !== "unknown") return kind === "folder";
  try {
    return statSync(onDisk(join(path, name))).isDirectory();
  } catch {
    // A link that leads nowhere, or a folder that may not be entered.
    return false;
  }
}

function realFolder(path: string): string {
  try {
    return realPath(path);
  } catch (cause) {
    throw cannotList(path, cause);
  }
}

const withoutEnding = (name: string): string => name.slice(0, name.length - extname(name).length) || name;

/**
 * Names the crops of a folder's files: like the file without its ending, or, where that is taken or
 * could be a further face of another photo, with it. Upper and lower case count as the same, as on
 * many disks.
 *
 * @param folders names of the folders next to them
 */
function createStems(folders: readonly string[]): (name: string) => string {
  const taken = new Set(folders.map((name) => name.toLowerCase()));
  const isFree = (stem: string): boolean => !taken.has(stem.toLowerCase()) && !/~\d+$/.test(stem);
  return (name) => {
    let stem = [withoutEnding(name), name].find(isFree) ?? `${name}~`;
    while (taken.has(stem.toLowerCase())) stem += "~";
    taken.add(stem.toLowerCase());
    return stem;
  };
}
