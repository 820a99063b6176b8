import { open } from "node:fs/promises";
import { placeholderBytes, placeholderOf } from "onnx-grad/basics";
import { onDisk } from "./disk-names.ts";
import { PetalfaceError } from "./errors.ts";

/**
 * Throws PetalfaceError where a file's beginning is that of a Git LFS pointer or a web page, which
 * stand in the place of files that were not fetched. Readers of every kind of file ask this before
 * they say what is wrong with the content.
 *
 * @param start bytes or text of the file, 512 from its beginning or all of a shorter one
 * @param name what the message calls the file
 */
export function refusePlaceholder(start: Uint8Array | string, name: string): void {
  const other = placeholderOf(typeof start === "string" ? Buffer.from(start.slice(0, placeholderBytes)) : start);
  if (other !== undefined) throw new PetalfaceError("PETAL_FILE_PLACEHOLDER", `${name}: ${other}`);
}

/**
 * As {@link refusePlaceholder}, for a file that is not read yet. One that cannot be read is left to
 * its reader.
 */
export async function refusePlaceholderAt(path: string, name: string): Promise<void> {
  const start = await startOf(path).catch(() => undefined);
  if (start !== undefined) refusePlaceholder(start, name);
}

async function startOf(path: string): Promise<Uint8Array> {
  await using file = await open(onDisk(path));
  const start = new Uint8Array(placeholderBytes);
  const { bytesRead } = await file.read(start, 0, start.length, 0);
  return start.subarray(0, bytesRead);
}
