import { type FileHandle, open } from "node:fs/promises";
import { messageOf, PetalfaceError, readCode } from "../errors.ts";

/** A file that is being listed or read. */
export interface OpenFile {
  readonly path: string;
  readonly size: number;
  /** Time of the last change, in milliseconds. */
  readonly changed: number;
  readonly handle: FileHandle;
}

/**
 * Opens a regular file, gives it to `use`, and closes it. Throws PetalfaceError where it cannot be
 * opened.
 */
export async function withFile<T>(path: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
  await using handle = await openToRead(path);
  return await use(await describeFile(handle, path));
}

export async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (cause) {
    throw new PetalfaceError(
      readCode(cause, "PETAL_MODEL_MISSING", "PETAL_CHECKPOINT_DAMAGED"),
      `cannot read ${path}: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
}

export async function describeFile(handle: FileHandle, path: string): Promise<OpenFile> {
  const entry = await handle.stat();
  if (!entry.isFile())
    throw new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `cannot read ${path}: it is not a regular file`);
  return { path, size: entry.size, changed: entry.mtimeMs, handle };
}

/** Fills `bytes` from a place in the file; throws where the file ends before. */
export async function fill(file: OpenFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.handle.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0)
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_DAMAGED",
        `${file.path}: it ends at byte ${position + done}, before what it announces; is it complete?`,
      );
    done += bytesRead;
  }
}

/** Bytes from a place in the file. The caller has bounded `length`. */
export async function readPart(file: OpenFile, position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  if (position + length > file.size)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_DAMAGED",
      `${file.path}: it ends at byte ${file.size}, before what it announces; is it complete?`,
    );
  const bytes = new Uint8Array(length);
  await fill(file, bytes, position);
  return bytes;
}
