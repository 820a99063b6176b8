import { closeSync, constants, openSync, readSync } from "node:fs";
import { onDisk } from "../disk-names.ts";
import { recognise } from "./formats.ts";

/** Bytes that a format is recognised by. */
const headBytes = 64;

/**
 * Whether a file holds an image of a format that is read, whatever it is called. Synchronous, as
 * listing files is; a file that cannot be opened holds none.
 */
export function holdsImage(path: string): boolean {
  let file: number | undefined;
  try {
    // Without waiting for a writer, should it be a pipe.
    file = openSync(onDisk(path), constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const head = Buffer.alloc(headBytes);
    return recognise(head.subarray(0, readSync(file, head, 0, headBytes, 0))).read;
  } catch {
    return false;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
