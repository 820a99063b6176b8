import {
  type AtomicOptions,
  isUnfinished,
  makeFolder as makeFolders,
  openAtomicFile,
  reasonOf,
  removeUnfinished,
  writeFileAtomic,
} from "onnx-grad";
import { PetalfaceError } from "./errors.ts";

export { isUnfinished, removeUnfinished };

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
  };
  return new PetalfaceError(`cannot write ${path}: ${known[code] ?? reasonOf(cause)}`, { cause });
}

/** Makes a folder and those above it. Throws PetalfaceError. */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeFolders(path);
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
