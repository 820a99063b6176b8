import { readSync } from "node:fs";
import { crc32, inflateRawSync } from "node:zlib";
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";
import { messageOf, PetalfaceError } from "../../errors.ts";
import { type OpenFile, readPart } from "../file.ts";
import { quote } from "../pickle/machine.ts";

/** One file inside a zip. */
export interface ZipEntry {
  readonly name: string;
  /** First byte of its data in the zip. */
  readonly offset: number;
  /** Bytes of its data in the zip; fewer than `length` where they are deflated. */
  readonly stored: number;
  /** Bytes of its content. */
  readonly length: number;
  readonly deflated: boolean;
  readonly crc32: number;
}

/** The largest training checkpoints of face recognisers have some 5,000 entries. */
const MOST_ENTRIES = 16_384;
/**
 * Deflate makes at most 1032 of one. Honest weights shrink little; even all-zero momenta do not
 * fill a file.
 */
const MOST_INFLATION = 64;
const FREE_INFLATION = 2 ** 26;

/**
 * Lets yauzl read from an open file; a place outside of it is an error for the callback and never
 * an exception.
 */
class Reader extends RandomAccessReader {
  readonly #file: OpenFile;

  constructor(file: OpenFile) {
    super();
    this.#file = file;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    // Small reads from the directory: the operating system has it in memory, and a call is faster
    // than a thread.
    let done = 0;
    let failure: Error | null = null;
    try {
      if (!Number.isSafeInteger(position) || position < 0 || position + length > this.#file.size)
        throw new Error("it points outside of itself; is it complete?");
      while (done < length) {
        const count = readSync(this.#file.handle.fd, buffer, offset + done, length - done, position + done);
        if (count === 0) throw new Error("it became shorter while being read");
        done += count;
      }
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    process.nextTick(() => callback(failure, done));
  }

  override close(callback: (error: Error | null) => void): void {
    process.nextTick(() => callback(null));
  }
}

/**
 * Lists a zip without reading its content. Stricter than the format: no two entries of one name, no
 * entry over another one or over the directory, the header before the data says the same as the
 * directory, no encryption, and no more content than such a file can honestly hold.
 */
export async function listZip(file: OpenFile): Promise<Map<string, ZipEntry>> {
  const fail = (what: string, cause?: unknown) =>
    new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${file.path}: its zip directory is bad: ${what}`, { cause });
  const entries = new Map<string, ZipEntry>();
  const spans: { readonly name: string; readonly start: number; readonly end: number }[] = [];
  let total = 0;
  let zip: ZipFile | undefined;
  try {
    zip = await fromRandomAccessReaderPromise(new Reader(file), file.size, { autoClose: false, lazyEntries: true });
    const directory = zip.readEntryCursor as unknown as number;
    if (zip.entryCount > MOST_ENTRIES) throw fail(`${zip.entryCount} entries are more than any checkpoint has`);
    for await (const entry of zip.eachEntry()) {
      const { fileName: name, fileNameRaw, compressedSize: stored, uncompressedSize: length } = entry;
      if (entries.has(name)) throw fail(`two entries are named ${quote(name)}`);
      if (entry.isEncrypted()) throw fail(`entry ${quote(name)} is encrypted`);
      if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8)
        throw fail(
          `entry ${quote(name)} is compressed by method ${entry.compressionMethod}; stored and deflated are read`,
        );
      const deflated = entry.compressionMethod === 8;
      if (!Number.isSafeInteger(length) || (!deflated && stored !== length))
        throw fail(`entry ${quote(name)} has ${stored} bytes and claims ${length}`);
      const header = await zip.readLocalFileHeaderPromise(entry);
      const differs =
        !header.fileName.equals(fileNameRaw) ||
        header.compressionMethod !== entry.compressionMethod ||
        !agrees(entry, header);
      if (differs) throw fail(`entry ${quote(name)} is described in two ways`);
      entries.set(name, { name, offset: header.fileDataStart, stored, length, deflated, crc32: entry.crc32 });
      spans.push({ name, start: entry.relativeOffsetOfLocalHeader, end: header.fileDataStart + stored });
      total += length;
    }
    spans.sort((one, other) => one.start - other.start);
    let covered = 0;
    for (const { name, start, end } of spans) {
      if (start < covered || end > directory) throw fail(`entry ${quote(name)} lies over another one`);
      covered = end;
    }
  } catch (error) {
    throw error instanceof PetalfaceError ? error : fail(messageOf(error), error);
  } finally {
    zip?.close();
  }
  if (total > MOST_INFLATION * file.size + FREE_INFLATION)
    throw fail(`its entries claim ${total} bytes in a file of ${file.size}`);
  return entries;
}

/**
 * Whether the header before the data has the directory's sizes; it may leave them to a descriptor
 * (bit 3) or to zip64.
 */
function agrees(
  entry: Entry,
  header: { compressedSize: number; uncompressedSize: number; generalPurposeBitFlag: number },
) {
  if ((header.generalPurposeBitFlag & 8) !== 0) return true;
  const same = (local: number, central: number) => local === central || local === 0xffffffff;
  return same(header.compressedSize, entry.compressedSize) && same(header.uncompressedSize, entry.uncompressedSize);
}

/**
 * The content of a small entry, checked by its CRC. Never makes more than the entry claims, nor
 * more than `limit` bytes.
 */
export async function readEntry(file: OpenFile, entry: ZipEntry, limit: number): Promise<Uint8Array> {
  const name = `${file.path}: entry ${quote(entry.name)}`;
  if (entry.length > limit || entry.stored > limit)
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_UNSAFE",
      `${name} claims ${entry.length} bytes; ${limit} are the most that are read`,
    );
  const raw = await readPart(file, entry.offset, entry.stored);
  const bytes = entry.deflated ? inflate(raw, entry.length, name) : raw;
  if (crc32(bytes) !== entry.crc32) throw damaged(name);
  return bytes;
}

/** All of a deflated content, which must have exactly the length that is claimed. */
export function inflate(raw: Uint8Array, length: number, name: string): Uint8Array<ArrayBuffer> {
  try {
    const bytes = inflateRawSync(raw, { maxOutputLength: Math.max(1, length) });
    if (bytes.length !== length) throw new Error(`it has ${bytes.length} bytes`);
    return bytes as Uint8Array<ArrayBuffer>;
  } catch (cause) {
    const what = messageOf(cause);
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_DAMAGED",
      `${name} does not unpack to the ${length} bytes that it claims: ${what}`,
      { cause },
    );
  }
}

/** The bytes are not those that were written. */
export function damaged(name: string): PetalfaceError {
  return new PetalfaceError(
    "PETAL_CHECKPOINT_DAMAGED",
    `${name} is damaged: its bytes do not give its CRC-32; copy or download the file again, or save it again where it was written without checksums`,
  );
}
