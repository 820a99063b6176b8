import { itemAt } from "onnx-grad/basics";
import { PetalfaceError } from "../errors.ts";

/**
 * The frame of MXNet's RecordIO (dmlc-core, include/dmlc/recordio.h): a record is one or more
 * chunks, each the magic word, a word of which the upper 3 bits say which part of the record this
 * is and the lower 29 how many bytes follow, those bytes, and zeros up to a multiple of 4. A record
 * whose bytes hold the magic word at a multiple of 4 was cut there, the word left out.
 */
export const recordMagic = 0xced7230a;
/** Bytes before the content of a chunk. */
export const chunkHead = 8;
/**
 * Bytes of an image record's header (python/mxnet/recordio.py, `IfQQ`): flag, label, id, id2; then
 * `flag` more labels.
 */
export const recordHead = 24;

/** Which part of a record a chunk is: all of it, the first, one between, the last. */
export type ChunkPart = 0 | 1 | 2 | 3;

/** Reads the two words before a chunk; undefined where they are none. */
export function parseChunkHead(
  view: DataView,
  at: number,
): { readonly part: ChunkPart; readonly length: number } | undefined {
  if (view.getUint32(at, true) !== recordMagic) return undefined;
  const word = view.getUint32(at + 4, true);
  const part = word >>> 29;
  return part > 3 ? undefined : { part: part as ChunkPart, length: word & 0x1fff_ffff };
}

/** Bytes from the beginning of one chunk to that of the next. */
export const chunkSize = (length: number): number => chunkHead + Math.ceil(length / 4) * 4;

/** Where a record lies. */
export interface RecordPlace {
  /** Bytes of the file. */
  readonly size: number;
  /** First byte of the record. */
  readonly start: number;
  /** The name of the image in messages. */
  readonly name: string;
  /** Bytes that a record may have. */
  readonly mostBytes: number;
}

/** Read at once: most faces of 112 pixels with their header. */
const firstRead = 16_384;

/**
 * The payload of one record, joined where it was cut. Throws PetalfaceError where no whole record
 * is there.
 */
export function readRecord(
  read: (offset: number, length: number) => Buffer,
  { size, start, name, mostBytes }: RecordPlace,
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
