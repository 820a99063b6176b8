import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { PetalfaceError } from "../../errors.ts";
import { writePiecesSafely } from "../../files.ts";
import { printArgument, printPath } from "../../print-path.ts";
import { allocateIn, sharedMemory } from "../scan/wasm.ts";
import { headBytes, sketchBits, tailBytes } from "./layout.ts";
import { sketcher } from "./project.ts";
import {
  mostPeople,
  type NearestPeople,
  openNearestPeople,
  type SketchThreads,
  scratchPages,
  threadsFor,
} from "./searcher.ts";

/**
 * The file: a header of 16 bytes (`PFSK`, version, numbers of an embedding, people), then blocks of
 * 4,096 people, the last one of fewer. A block is the CRC-32 of the rest, the ids, the first signs
 * and the other signs. All numbers are little-endian and of 32 bits.
 */
const [magic, version] = [0x4b534650, 1] as const;
const headerBytes = 16;
const blockPeople = 4096;
const personBytes = 4 + headBytes + tailBytes;

/** Sketches of people, in memory until they are saved. */
export interface NewSketches {
  readonly count: number;
  /**
   * @param people ids, each of them once
   * @param rows one embedding a person, of any length but 0
   */
  add(people: ArrayLike<number>, rows: Float32Array): void;
  /** Writes a temporary file, syncs and renames it. Throws PetalfaceError. */
  save(file: string): Promise<void>;
}

/** Begins an index of embeddings of `width` numbers. */
export function newSketches(width: number): NewSketches {
  const sketch = sketcher(width);
  const own = new Uint32Array(sketchBits / 32);
  const blocks: Buffer[] = [];
  let count = 0;
  return {
    get count() {
      return count;
    },
    add(people, rows) {
      for (let row = 0; row < people.length; row++) {
        const at = count % blockPeople;
        if (at === 0) blocks.push(Buffer.alloc(blockPeople * personBytes));
        const block = blocks[blocks.length - 1];
        sketch(rows.subarray(row * width, (row + 1) * width), own, 0);
        const bytes = new Uint8Array(own.buffer);
        block.writeInt32LE(people[row], 4 * at);
        block.set(bytes.subarray(0, headBytes), 4 * blockPeople + headBytes * at);
        block.set(bytes.subarray(headBytes), (4 + headBytes) * blockPeople + tailBytes * at);
        count++;
      }
    },
    async save(file) {
      if (count > mostPeople)
        throw new PetalfaceError(
          "PETAL_SYSTEM_FAILED",
          `an index has at most ${mostPeople} people, and these are ${count}; spread the gallery over several servers with 'store'`,
        );
      const header = Buffer.alloc(headerBytes);
      [magic, version, width, count].forEach((value, at) => {
        header.writeUInt32LE(value, 4 * at);
      });
      function* pieces(): Generator<Uint8Array> {
        yield header;
        for (const [number, block] of blocks.entries()) {
          const rows = Math.min(blockPeople, count - number * blockPeople);
          const part = (start: number, bytes: number): Buffer =>
            block.subarray(start * blockPeople, start * blockPeople + bytes * rows);
          const body = Buffer.concat([part(0, 4), part(4, headBytes), part(4 + headBytes, tailBytes)]);
          const sum = Buffer.alloc(4);
          sum.writeUInt32LE(crc32(body));
          yield sum;
          yield body;
        }
      }
      await writePiecesSafely(file, pieces());
    },
  };
}

/**
 * Opens the file of an index: it is read whole.
 *
 * @param gallery for messages
 * @throws PetalfaceError where the file is missing or damaged
 */
export async function openSketches(
  file: string,
  width: number,
  gallery: string,
  threads: SketchThreads = {},
): Promise<NearestPeople> {
  try {
    return await read(file, width, threads);
  } catch (cause) {
    throw new PetalfaceError(
      "PETAL_GALLERY_DAMAGED",
      `${printPath(file)} cannot be read; build the index again with petalface gallery index ${printArgument(gallery)}`,
      { cause },
    );
  }
}

/** The next bytes of a file. */
async function next(handle: FileHandle, bytes: number): Promise<Buffer> {
  const out = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; ) {
    const { bytesRead } = await handle.read(out, at, bytes - at);
    if (bytesRead === 0) throw new Error("it ends too early");
    at += bytesRead;
  }
  return out;
}

async function read(file: string, width: number, options: SketchThreads): Promise<NearestPeople> {
  await using handle = await open(file);
  const header = await next(handle, headerBytes);
  const [found, form, numbers, count] = [0, 4, 8, 12].map((at) => header.readUInt32LE(at));
  if (found !== magic || form !== version || numbers !== width) throw new Error("it is another kind of file");
  const { size } = await handle.stat();
  if (size !== headerBytes + 4 * Math.ceil(count / blockPeople) + count * personBytes)
    throw new Error("its length is wrong");
  const threads = threadsFor(count, options);
  const memory = sharedMemory(scratchPages(threads));
  const [heads, tails] = [allocateIn(memory, count * headBytes), allocateIn(memory, count * tailBytes)];
  const people = new Int32Array(count);
  for (let start = 0; start < count; start += blockPeople) {
    const rows = Math.min(blockPeople, count - start);
    const sum = (await next(handle, 4)).readUInt32LE();
    const body = await next(handle, rows * personBytes);
    if (crc32(body) !== sum) throw new Error("a block is damaged");
    const part = (from: number, bytes: number): Buffer => body.subarray(from * rows, (from + bytes) * rows);
    new Uint8Array(people.buffer).set(part(0, 4), 4 * start);
    heads.set(part(4, headBytes), headBytes * start);
    tails.set(part(4 + headBytes, tailBytes), tailBytes * start);
  }
  const places = { heads: heads.byteOffset, tails: tails.byteOffset };
  return openNearestPeople({ count, people, ...places }, width, memory, threads);
}
