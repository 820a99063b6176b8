import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PetalfaceError, systemCode } from "../errors.ts";
import { printPath } from "../print-path.ts";
import { readRecord } from "./recordio.ts";
import type { ImageSource } from "./types.ts";

/** Faces that are stored in one file with others. */
export type StoredSource = Extract<ImageSource, { readonly kind: "bytes" | "record" }>;

/**
 * Reads faces out of files that hold many. A file stays open until it is closed with the others.
 */
export interface ImageStore {
  /**
   * The encoded image, read at its position. Synchronous: batches are read in threads of their own.
   *
   * @throws PetalfaceError where the file cannot be read, ends too early, or holds something else
   * there
   */
  read(source: StoredSource): Uint8Array;
  close(): void;
}

const mostBytes = 128 * 1024 * 1024;
/** Files that are open at once; a set has one. */
const mostFiles = 16;

/** Opens an {@link ImageStore}; no file is touched before it is needed. */
export function openImageStore(): ImageStore {
  const files = new Map<string, { readonly handle: number; readonly size: number }>();

  function open(path: string, name: string) {
    const known = files.get(path);
    if (known !== undefined) return known;
    if (files.size >= mostFiles) close();
    try {
      const handle = openSync(path, "r");
      const file = { handle, size: fstatSync(handle).size };
      files.set(path, file);
      return file;
    } catch (cause) {
      const code = systemCode(cause);
      // As in decode.ts: the machine's fault, not the file's.
      if (/^(EMFILE|ENFILE|ENOMEM|EAGAIN)$/.test(code ?? "")) throw cause;
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `cannot read ${name}: ${code === "ENOENT" ? "there is no file" : code}`,
        { cause },
      );
    }
  }

  function close(): void {
    for (const { handle } of files.values()) closeSync(handle);
    files.clear();
  }

  return {
    read(source) {
      const name = nameOf(source);
      const { handle, size } = open(source.path, name);
      const reader = (offset: number, length: number): Buffer => readAt(handle, size, offset, length, name);
      if (source.kind === "record") return readRecord(reader, { size, start: source.offset, name, mostBytes });
      const bytes = reader(source.offset, source.length);
      return source.encoding === "utf8" ? Buffer.from(bytes.toString("utf8"), "latin1") : bytes;
    },
    close,
  };
}

/** The name in messages of a face that is stored in a file with others. */
export const nameOf = (source: StoredSource): string => `${printPath(source.path)}, image ${source.number}`;

/** What messages call a face, wherever it comes from. */
export function nameOfFace(source: ImageSource): string {
  if (source.kind === "file") return printPath(source.path);
  if (source.kind === "memory") return `face ${source.number} of the list`;
  return source.kind === "synthetic" ? `synthetic person ${source.person}, image ${source.image}` : nameOf(source);
}

function readAt(handle: number, size: number, offset: number, length: number, name: string): Buffer {
  if (length > mostBytes)
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} has ${length} bytes, too many for a face photo`);
  if (offset + length > size)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `${name} lies past the end of the file (${size} bytes); is the file complete?`,
    );
  // Of its own for each image: the decoder reads it in another thread, while the next one is
  // fetched.
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length; ) {
    const more = readSync(handle, bytes, done, length - done, offset + done);
    if (more === 0) throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} is cut off; the file became shorter`);
    done += more;
  }
  return bytes;
}
