import { crc32 } from "node:zlib";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import type { FaceEmbedding } from "../types.ts";

/** The bytes of some numbers, not copied. */
export const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Numbers out of a database's bytes, copied: those need not lie on a multiple of four. */
export const floatsFrom = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);

/** Check sum of what was computed from a face. */
export function checkSum({ vector, copies, alpha }: Pick<FaceEmbedding, "vector" | "copies" | "alpha">): number {
  const tail = new Uint8Array(Float64Array.of(alpha).buffer);
  return crc32(tail, crc32(bytesOf(copies), crc32(bytesOf(vector))));
}

/** A row of `embeddings`. */
export interface EmbeddingRow {
  readonly face: number;
  readonly alpha: number;
  readonly score: number | null;
  readonly crc: number;
  readonly vector: Uint8Array;
  readonly copies: Uint8Array;
}

/** Reads a row. Throws PetalfaceError where its bytes are not those that were written. */
export function readEmbedding(path: string, row: EmbeddingRow, width: number): FaceEmbedding {
  const { alpha, score } = row;
  if (row.vector.length === 4 * width && row.copies.length === 4 * width) {
    const [vector, copies] = [floatsFrom(row.vector), floatsFrom(row.copies)];
    if (checkSum({ vector, copies, alpha }) === row.crc) return { vector, copies, alpha, score };
  }
  throw new PetalfaceError(
    "PETAL_GALLERY_DAMAGED",
    `${printPath(path)} is damaged: the embedding of face ${row.face} is not what was written; remove its person and enrol them again, or restore a copy`,
  );
}
