import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, open, utimes } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { makeFolder, writeFailure } from "../files.ts";
import { createKeyIndex } from "./key-index.ts";
import { evictSegments, listSegments } from "./segments.ts";

/** Bytes of rows after which a new segment begins: what is removed at once. */
const segmentBytes = 256 * 2 ** 20;
/** Of a row's entry in the keys: its key, and the CRC-32 of its bytes. */
const entryBytes = 20;

/**
 * Embeddings kept on disk by what they were computed from. One process writes to its own segments;
 * any number may read.
 */
export interface EmbeddingStore {
  /** How many numbers a row has. */
  readonly numbers: number;
  /** Of each key its row, or undefined where it is not kept or its bytes are damaged. */
  get(keys: readonly Uint32Array[]): Promise<(Float32Array | undefined)[]>;
  /** Keeps rows, `keys.length x numbers`. They survive the end of the process however it comes. */
  put(keys: readonly Uint32Array[], rows: Float32Array): Promise<void>;
  /**
   * Closes the files, then removes what was unused for longest until all models' embeddings are
   * within the limit.
   */
  close(): Promise<void>;
}

/** Where embeddings are kept. */
export interface StoreOptions {
  /** The folder of all models' embeddings. */
  readonly root: string;
  /**
   * Everything that decides how a face becomes an embedding: model, adapter, preprocessing, engine.
   */
  readonly identity: string;
  /** Numbers of a row: the width, and one more where alpha is kept behind it. */
  readonly numbers: number;
  /**
   * Bytes that all models together may take between runs; a run may exceed it, so that it can be
   * continued.
   */
  readonly limit: number;
}

/** A segment open for reading, rows `from` on in the order of the index. */
interface OpenSegment {
  readonly path: string;
  readonly from: number;
  readonly checks: Uint32Array;
  file?: Promise<FileHandle> | undefined;
}

/**
 * Opens the kept embeddings of one model. Rows lie in segments of 256 MiB that are only appended
 * to; keys lie in a second file and are written after their rows, so that a process killed at any
 * moment leaves whole rows and perhaps one to ignore.
 *
 * @throws PetalfaceError if the folder cannot be written
 */
export async function openEmbeddingStore({ root, identity, numbers, limit }: StoreOptions): Promise<EmbeddingStore> {
  const folder = join(root, createHash("sha256").update(`${identity}\n${numbers}`).digest("hex").slice(0, 32));
  const rowBytes = 4 * numbers;
  const index = createKeyIndex();
  const segments: OpenSegment[] = [];
  await makeFolder(folder);
  await evictSegments(root, limit, folder);
  for (const { path } of await listSegments(folder)) {
    const checks = await readKeys(path, rowBytes, index.add);
    if (checks.length > 0) segments.push({ path, from: index.size - checks.length, checks });
  }
  let writer: Writer | undefined;

  const segmentOf = (row: number): OpenSegment => {
    let low = 0;
    for (let high = segments.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (itemAt(segments, middle).from <= row) low = middle;
      else high = middle;
    }
    return itemAt(segments, low);
  };
  const read = async (row: number): Promise<Float32Array | undefined> => {
    const segment = segmentOf(row);
    const place = row - segment.from;
    const written = writer?.segment === segment ? writer : undefined;
    try {
      segment.file ??= openForReading(`${segment.path}.rows`);
      const file = await segment.file;
      const bytes = new Uint8Array(rowBytes);
      const { bytesRead } = await file.read(bytes, 0, rowBytes, place * rowBytes);
      const check = written === undefined ? segment.checks[place] : written.checks[place];
      return bytesRead === rowBytes && crc32(bytes) === check ? new Float32Array(bytes.buffer) : undefined;
    } catch {
      // Removed by another process meanwhile: as if it had never been kept.
      return undefined;
    }
  };

  return {
    numbers,
    get: async (keys) => {
      const out: (Float32Array | undefined)[] = [];
      for (const key of keys) {
        const row = index.find(key);
        out.push(row === -1 ? undefined : await read(row));
      }
      return out;
    },
    async put(keys, rows) {
      if (keys.length === 0) return;
      if (rows.length !== keys.length * numbers)
        throw new PetalfaceError(
          "PETAL_ARGUMENT_INVALID",
          `cannot keep ${keys.length} embeddings of ${numbers} numbers in ${rows.length}`,
        );
      if (writer === undefined || writer.checks.length * rowBytes >= segmentBytes) {
        await writer?.close();
        writer = await openWriter(folder, index.size);
        segments.push(writer.segment);
      }
      await writer.append(keys, rows, rowBytes);
      for (const key of keys) index.add(key);
    },
    async close() {
      await writer?.close();
      for (const { file } of segments) await file?.then((opened) => opened.close()).catch(() => {});
      segments.length = 0;
      await evictSegments(root, limit);
    },
  };
}

/** Opens rows and notes that they were of use. */
async function openForReading(path: string): Promise<FileHandle> {
  const file = await open(path, "r");
  const now = new Date();
  await utimes(path, now, now).catch(() => {});
  return file;
}

/** Hands over the keys of a segment's whole rows; returns their checks. */
async function readKeys(path: string, rowBytes: number, add: (key: Uint32Array) => void): Promise<Uint32Array> {
  try {
    await using rows = await open(`${path}.rows`, "r");
    await using keys = await open(`${path}.keys`, "r");
    const bytes = new Uint8Array(await keys.readFile());
    const count = Math.min(Math.floor(bytes.length / entryBytes), Math.floor((await rows.stat()).size / rowBytes));
    const words = new Uint32Array(bytes.buffer, 0, (count * entryBytes) / 4);
    for (let entry = 0; entry < count; entry++) add(words.subarray(5 * entry, 5 * entry + 4));
    return Uint32Array.from({ length: count }, (_, entry) => itemAt(words, 5 * entry + 4));
  } catch {
    return new Uint32Array(0);
  }
}

interface Writer {
  readonly segment: OpenSegment;
  readonly checks: number[];
  append(keys: readonly Uint32Array[], rows: Float32Array, rowBytes: number): Promise<void>;
  close(): Promise<void>;
}

async function openWriter(folder: string, from: number): Promise<Writer> {
  const path = join(folder, `${Date.now()}-${randomBytes(6).toString("hex")}`);
  const checks: number[] = [];
  const create = (ending: string): Promise<FileHandle> =>
    open(path + ending, "wx").catch((error: unknown) => {
      throw writeFailure(path, error);
    });
  const [rowFile, keyFile] = [await create(".rows"), await create(".keys")];
  return {
    segment: { path, from, checks: new Uint32Array(0) },
    checks,
    async append(keys, rows, rowBytes) {
      const bytes = new Uint8Array(rows.buffer, rows.byteOffset, rows.byteLength);
      const entries = new Uint32Array(5 * keys.length);
      keys.forEach((key, row) => {
        entries.set(key, 5 * row);
        entries[5 * row + 4] = crc32(bytes.subarray(row * rowBytes, (row + 1) * rowBytes));
      });
      try {
        await rowFile.writeFile(bytes);
        await keyFile.writeFile(new Uint8Array(entries.buffer));
      } catch (error) {
        throw writeFailure(path, error);
      }
      for (let row = 0; row < keys.length; row++) checks.push(itemAt(entries, 5 * row + 4));
    },
    async close() {
      for (const file of [rowFile, keyFile]) await file.close();
    },
  };
}
