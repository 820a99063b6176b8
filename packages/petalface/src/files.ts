import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { PetalfaceError } from "./errors.ts";

/** What the operating system says about a failed write, and what to do about it where that is known. */
export function writeFailure(path: string, cause: unknown): PetalfaceError {
  const { code, message } = cause instanceof Error ? (cause as NodeJS.ErrnoException) : { code: "", message: cause };
  const known: Readonly<Record<string, string>> = {
    ENOSPC: "the disk is full; make room on it, then go on",
    EDQUOT: "the disk quota is used up; make room, then go on",
    EROFS: "the file system is read-only; choose another folder, or mount it writable",
    EACCES: "permission denied; choose another folder, or change its permissions",
    EPERM: "permission denied; choose another folder, or change its permissions",
  };
  const what = (code === undefined ? undefined : known[code]) ?? String(message);
  return new PetalfaceError(`cannot write ${path}: ${what}`, { cause });
}

/** Writes a whole file beside its place, syncs it and renames it in: readers see the old file or the new one. Makes folders. */
export async function writeFileSafely(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(
      path,
      typeof content === "string" ? content : Buffer.from(content.buffer, content.byteOffset, content.byteLength),
    );
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** Largest part handed to the operating system at once. */
const largestWrite = 64 * 2 ** 20;

/**
 * As {@link writeFileSafely}, for content in pieces that would be too large to join in memory. The pieces must not change meanwhile.
 * A PetalfaceError of the pieces' own making is passed on.
 */
export async function writePiecesSafely(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const part = `${path}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    {
      await using file = await open(part, "w");
      for await (const piece of pieces)
        for (let start = 0; start < piece.length; start += largestWrite)
          await writeAll(file, piece.subarray(start, start + largestWrite));
      await file.sync();
    }
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw error instanceof PetalfaceError ? error : writeFailure(path, error);
  }
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done)).bytesWritten;
}

/** Removes what an earlier process left of its unfinished writes in this folder. Call it only where nobody else writes. */
export async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names)
    if (/^(?!lock\.json).*\.part$|\.(?:json|jsonl|safetensors)\.\d+$/.test(name))
      await rm(join(folder, name), { force: true });
}
