import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { itemAt } from "onnx-grad/basics";
import { PetalfaceError } from "../errors.ts";
import { printPath } from "./path.ts";
import { chunkHead, chunkSize, parseChunkHead, recordHead } from "./record.ts";
import type { ImageSource } from "./types.ts";

/** Faces that are stored in one file with others. */
export type StoredSource = Extract<ImageSource, { readonly kind: "bytes" | "record" }>;

/** Reads faces out of files that hold many. A file stays open until it is closed with the others. */
export interface ImageStore {
  /**
   * The encoded image, read at its position. Synchronous: batches are read in threads of their own.
   *
   * @throws PetalfaceError where the file cannot be read, ends too early, or holds something else there
   */
  read(source: StoredSource): Uint8Array;
  close(): void;
}

/** Read at once: most faces of 112 pixels with their header. */
const firstRead = 16_384;
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
      const { code } = cause as NodeJS.ErrnoException;
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
      if (source.kind === "record") return readRecord(reader, size, source.offset, name);
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
  // Of its own for each image: the decoder reads it in another thread, while the next one is fetched.
  const bytes = Buffer.allocUnsafeSlow(length);
  for (let done = 0; done < length; ) {
    const more = readSync(handle, bytes, done, length - done, offset + done);
    if (more === 0) throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} is cut off; the file became shorter`);
    done += more;
  }
  return bytes;
}

/** The payload of one record, joined where it was cut. */
function readRecord(
  read: (offset: number, length: number) => Buffer,
  size: number,
  start: number,
  name: string,
): Uint8Array {
  const damaged = (what: string): PetalfaceError =>
    new PetalfaceError("PETAL_DATA_DAMAGED", `${name} is damaged: ${what} at byte ${start}`);
  const parts: Uint8Array[] = [];
  let total = 0;
  for (let offset = start, last = false; !last; ) {
    if (offset + chunkHead > size)
      throw new PetalfaceError(
        "PETAL_DATA_DAMAGED",
        `${name} lies past the end of the file (${size} bytes); is the file complete?`,
      );
    const begin = read(offset, Math.min(offset === start ? firstRead : chunkHead, size - offset));
    const head = parseChunkHead(new DataView(begin.buffer, begin.byteOffset, begin.length), 0);
    if (head === undefined) throw damaged("no record begins");
    if (head.part > 1 === (offset === start)) throw damaged("the parts of the record are out of order");
    const { part, length } = head;
    total += length + 4;
    if (total > mostBytes) throw damaged(`the record announces ${total} bytes or more`);
    // The word at which the writer cut.
    if (offset !== start) parts.push(magicBytes);
    const have = begin.subarray(chunkHead, chunkHead + length);
    parts.push(have);
    if (have.length < length) parts.push(read(offset + chunkHead + have.length, length - have.length));
    offset += chunkSize(length);
    last = part === 0 || part === 3;
  }
  const body = parts.length === 1 ? itemAt(parts, 0) : Buffer.concat(parts);
  if (body.length < recordHead) throw damaged(`the record has ${body.length} bytes, fewer than its header`);
  const labels = new DataView(body.buffer, body.byteOffset, 4).getUint32(0, true);
  if (labels > (body.length - recordHead) / 4) throw damaged(`the record announces ${labels} labels`);
  return body.subarray(recordHead + 4 * labels);
}

const magicBytes = Uint8Array.of(0x0a, 0x23, 0xd7, 0xce);
