import { type FileHandle, mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type AtomicOptions,
  isUnfinished,
  makeFolder as makeFolders,
  openAtomicFile,
  reasonOf,
  removeEmpty,
  removeUnfinished,
  unfinishedName,
  writeFileAtomic,
} from "onnx-grad/basics";
import { PetalfaceError } from "./errors.ts";

export { isUnfinished, removeUnfinished, unfinishedName };

/**
 * What the operating system says about a failed write, and what to do about it where that is known.
 */
export function writeFailure(path: string, cause: unknown): PetalfaceError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const known: Readonly<Record<string, string>> = {
    ENOSPC: "the disk is full; free some space, then continue",
    EDQUOT: "the disk quota is used up; free some space, then continue",
    EROFS: "the file system is read-only; choose another folder, or mount it writable",
    EACCES: "permission denied; choose another folder, or change its permissions",
    EPERM: "permission denied; choose another folder, or change its permissions",
    ENOTDIR: "a part of its path is a file, not a folder; choose another place",
    EEXIST: "a part of its path is a file, not a folder; choose another place",
    ENAMETOOLONG: "its name is too long; choose a shorter one",
  };
  return new PetalfaceError("PETAL_OUTPUT_FAILED", `cannot write ${path}: ${known[code] ?? reasonOf(cause)}`, {
    cause,
  });
}

/** What it means for a file that is to be read, by the code of the operating system's error. */
export const readFailures: Readonly<Record<string, string>> = {
  ENOENT: "there is no file",
  ENOTDIR: "there is no file",
  ELOOP: "it is a link that leads back to itself",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENAMETOOLONG: "its name is too long",
};

/**
 * All of an open file that a user named. A pipe is read to its end; a device such as `/dev/zero`
 * has none.
 *
 * @throws Error where it is a device or a folder, or cannot be read
 */
export async function readToEnd(file: FileHandle): Promise<Buffer> {
  const info = await file.stat();
  if (info.isCharacterDevice() || info.isBlockDevice()) throw new Error("it is a device, not a file");
  if (info.isDirectory()) throw new Error("it is a folder, not a file");
  return await file.readFile();
}

/**
 * All of a file that a user named, as {@link readToEnd} reads it.
 *
 * @throws Error as there, or with the code of the operating system
 */
export async function readGivenFile(path: string | Buffer): Promise<Buffer> {
  await using file = await open(path);
  return await readToEnd(file);
}

/**
 * Makes a folder and those above it. Dispose of the result where they are for what is written next:
 * those that it made and that are still empty, as after a failure, are removed.
 *
 * @throws PetalfaceError if it cannot be made; nothing is left behind then
 */
export async function makeFolder(path: string): Promise<AsyncDisposable> {
  try {
    const made = await makeFolders(path);
    return { [Symbol.asyncDispose]: () => removeEmpty(made) };
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/**
 * Writes a whole temporary file in the same folder, syncs it and renames it: readers see the old
 * file or the new one. Makes folders.
 */
export const writeFileSafely = (path: string, content: string | Uint8Array): Promise<void> =>
  writePiecesSafely(path, [typeof content === "string" ? Buffer.from(content) : content]);

/**
 * As {@link writeFileSafely}, for content in pieces that would be too large to join in memory. The
 * pieces must not change meanwhile. What the pieces themselves throw is passed on.
 */
export async function writePiecesSafely(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: AtomicOptions = {},
): Promise<void> {
  // So that a failure to read what is written is not taken for one to write.
  const own: { failure?: unknown } = {};
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* pieces;
    } catch (error) {
      own.failure = error;
      throw error;
    }
  }
  try {
    await writeFileAtomic(path, watched(), options);
  } catch (error) {
    if ("failure" in own || error instanceof PetalfaceError) throw error;
    throw writeFailure(path, error);
  }
}

/** A file that is written row by row and appears under its name only when it is whole. */
export interface RowFile {
  /** Appends bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes over the first bytes. */
  replaceHead(bytes: Uint8Array): Promise<void>;
  /** Syncs the file and gives it its name. */
  finish(): Promise<void>;
  /** Removes what was written; does nothing after {@link finish}. */
  discard(): Promise<void>;
}

/** Opens a {@link RowFile}. Throws PetalfaceError if the place cannot be written. */
export async function openRowFile(path: string): Promise<RowFile> {
  const named = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw writeFailure(path, error);
    }
  };
  const file = await named(openAtomicFile(path));
  return {
    write: (bytes) => named(file.write(bytes)),
    replaceHead: (bytes) => named(file.replaceHead(bytes)),
    finish: () => named(file.finish()),
    discard: file.discard,
  };
}

/** Many files that appear in a folder together, when all of them are whole. */
export interface FileSet extends AsyncDisposable {
  /** Writes one, with folders above it. `path` is that below the folder, such as `person/1.png`. */
  write(path: string, content: Uint8Array): Promise<void>;
  /** Moves them into the folder. A file of the same name there is replaced. */
  finish(): Promise<void>;
}

/**
 * Opens a {@link FileSet}. Where it is disposed of and not finished, nothing that it wrote is left,
 * nor a folder that it made. What an earlier process left that was killed is removed.
 *
 * @param folder made where it is missing
 * @throws PetalfaceError if the place cannot be written
 */
export async function openFileSet(folder: string): Promise<FileSet> {
  const made = await makeFolder(folder);
  await removeUnfinished(folder);
  const work = join(folder, unfinishedName());
  const named = (path: string, writing: Promise<void>): Promise<void> =>
    writing.catch((error: unknown) => {
      throw writeFailure(path, error);
    });
  try {
    await named(folder, mkdir(work));
  } catch (error) {
    await made[Symbol.asyncDispose]();
    throw error;
  }
  let finished = false;
  return {
    write: (path, content) => named(join(folder, path), writeFileAtomic(join(work, path), [content])),
    async finish() {
      await named(folder, moveInto(work, folder));
      finished = true;
    },
    async [Symbol.asyncDispose]() {
      await rm(work, { recursive: true, force: true }).catch(() => undefined);
      // What others put there meanwhile stays, with the folder.
      if (!finished) await made[Symbol.asyncDispose]();
    },
  };
}

/** Moves what a folder holds into another one on the same disk. */
async function moveInto(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    const there = entry.isDirectory() ? await stat(target).catch(() => undefined) : undefined;
    if (there?.isDirectory()) await moveInto(source, target);
    else await rename(source, target);
  }
}

/**
 * Throws PetalfaceError where no file of a few kilobytes can be written into the folder, which is
 * made.
 */
export async function proveWritable(folder: string): Promise<void> {
  const made = await makeFolder(folder);
  await removeUnfinished(folder);
  const probe = join(folder, unfinishedName());
  try {
    await writeFile(probe, Buffer.alloc(4096));
  } catch (error) {
    await rm(probe, { force: true }).catch(() => undefined);
    await made[Symbol.asyncDispose]();
    throw writeFailure(folder, error);
  }
  await rm(probe, { force: true }).catch(() => undefined);
}
