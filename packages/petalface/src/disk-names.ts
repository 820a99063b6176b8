import { isUtf8 } from "node:buffer";
import { type Dir, type Dirent, opendirSync, realpathSync } from "node:fs";
import { itemAt } from "onnx-grad/basics";

/*
 * On Linux the name of a file is bytes, mostly UTF-8. A name that is not, from an old disk or
 * archive, is kept as a text in which each byte that is no UTF-8 is the single surrogate U+DC00 +
 * byte (Python's `surrogateescape`). So such texts go through lists, JSON and threads like others,
 * and name the file again in {@link onDisk}.
 */

const escaped = /[\udc80-\udcff]/u;
const windows = process.platform === "win32";

/**
 * The text of a name that a file system gave as bytes; each byte that is no UTF-8 becomes a single
 * surrogate.
 */
export function nameOfBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) return buffer.toString("utf8");
  let text = "";
  for (let at = 0; at < buffer.length; ) {
    const length = [1, 2, 3, 4].find((size) => at + size <= buffer.length && isUtf8(buffer.subarray(at, at + size)));
    text +=
      length === undefined
        ? String.fromCharCode(0xdc00 + itemAt(buffer, at))
        : buffer.toString("utf8", at, at + length);
    at += length ?? 1;
  }
  return text;
}

/** The inverse of {@link nameOfBytes}. */
export function bytesOfName(name: string): Buffer {
  if (!escaped.test(name)) return Buffer.from(name, "utf8");
  // Every second part is one single surrogate.
  const parts = name.split(/([\udc80-\udcff])/u);
  return Buffer.concat(
    parts.map((part, at) => (at % 2 === 1 ? Buffer.of(part.charCodeAt(0) - 0xdc00) : Buffer.from(part, "utf8"))),
  );
}

/**
 * A path as the file system has it, for calls of `node:fs`: the bytes, where the text stands for
 * some that are no UTF-8.
 */
export const onDisk = (path: string): string | Buffer => (!windows && escaped.test(path) ? bytesOfName(path) : path);

/**
 * A name for a file that is to be written, and for lists that must be UTF-8: `%E9` stands for a
 * byte that is no UTF-8.
 */
export const plainName = (name: string): string =>
  escaped.test(name)
    ? name.replace(/[\udc80-\udcff]/gu, (unit) => `%${(unit.charCodeAt(0) - 0xdc00).toString(16).toUpperCase()}`)
    : name;

/** The real path behind links, as a text that {@link onDisk} takes. Throws the system's error. */
export function realPath(path: string): string {
  const place = onDisk(path);
  return typeof place === "string" ? realpathSync(place) : nameOfBytes(realpathSync.native(place, "buffer"));
}

/** What a folder holds under one name. */
export interface FolderEntry {
  readonly name: string;
  /** `unknown` for links, which may lead to anything, and where the file system does not say. */
  readonly kind: "file" | "folder" | "special" | "unknown";
}

/**
 * The entries of a folder, in no order, one by one: a folder may hold millions. Synchronous, which
 * takes a third of the time. Throws the system's error.
 */
export function* entriesOf(folder: string): Generator<FolderEntry> {
  let doubtful = false;
  for (const entry of eachEntry(opendirSync(onDisk(folder), { bufferSize: 1024 }))) {
    // Node puts U+FFFD where a name is no UTF-8. Such names are read again, as bytes: reading all
    // so would take longer.
    if (!windows && entry.name.includes("\ufffd")) doubtful = true;
    else yield { name: entry.name, kind: kindOf(entry) };
  }
  if (!doubtful) return;
  const options = { encoding: "buffer", bufferSize: 1024 } as unknown as { readonly encoding: "utf8" };
  for (const entry of eachEntry(opendirSync(onDisk(folder), options))) {
    const name = nameOfBytes(entry.name as unknown as Uint8Array);
    if (name.includes("\ufffd") || escaped.test(name)) yield { name, kind: kindOf(entry) };
  }
}

function* eachEntry(folder: Dir): Generator<Dirent> {
  try {
    for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) yield entry;
  } finally {
    folder.closeSync();
  }
}

function kindOf(entry: Dirent): FolderEntry["kind"] {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  return entry.isFIFO() || entry.isSocket() ? "special" : "unknown";
}
