import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { unreadable } from "../graph/errors.ts";

/** An open regular file that is read by position. */
export interface PositionedFile {
  readonly path: string;
  readonly size: number;
  /** The bytes of a range; throws OnnxGradError if the file ends before. */
  read(offset: number, length: number): Buffer;
}

/**
 * Opens a regular file, lends it to `use` and closes it whatever happens. Throws OnnxGradError if
 * there is no such file, it cannot be opened or is not a regular file (a pipe or device could block
 * for ever).
 */
export function withFile<T>(path: string, use: (file: PositionedFile) => T): T {
  const handle = open(path);
  try {
    const stat = fstatSync(handle);
    if (!stat.isFile()) throw unreadable(`${path}: not a regular file`);
    return use({ path, size: stat.size, read: (offset, length) => readRange(handle, path, offset, length) });
  } finally {
    closeSync(handle);
  }
}

function open(path: string): number {
  try {
    // O_NONBLOCK keeps a named pipe without a writer from blocking the open itself; on regular
    // files it means nothing.
    return openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const why = code === "ENOENT" ? "no such file" : `cannot be opened (${code || error})`;
    throw unreadable(`${path}: ${why}`, { cause: error });
  }
}

function readRange(handle: number, path: string, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const count = readSync(handle, bytes, done, length - done, offset + done);
    if (count === 0) throw unreadable(`${path}: the file ends at byte ${offset + done}; it is truncated`);
    done += count;
  }
  return bytes;
}
