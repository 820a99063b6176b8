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
