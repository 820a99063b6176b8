import { crc32 } from "node:zlib";
import { PetalfaceError } from "../errors.ts";
import { printPath } from "../print-path.ts";
import type { EnrolledVectors, FaceEmbedding } from "./types.ts";

/** The bytes of some numbers, not copied. */
export const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Numbers out of a database's bytes, copied: those need not lie on a multiple of four. */
export const floatsFrom = (bytes: Uint8Array): Float32Array => new Float32Array(new Uint8Array(bytes).buffer);

/** The same, copied only where they do not lie so. */
const floatsOf = (bytes: Uint8Array): Float32Array =>
  bytes.byteOffset % 4 === 0
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    : floatsFrom(bytes);

/** A loop: `some` takes as long as all the rest of writing a face. */
function hasNumbers(copies: Float32Array): boolean {
  for (const value of copies) if (value !== 0) return true;
  return false;
}

/** Check sum of what was computed from a face. */
export function checkSum({ vector, copies, alpha }: Pick<FaceEmbedding, "vector" | "copies" | "alpha">): number {
  const tail = new Uint8Array(Float64Array.of(alpha).buffer);
  // Zeros of either sign are stored as none, and read as positive ones.
  const kept = hasNumbers(copies) ? bytesOf(copies) : new Uint8Array(copies.byteLength);
  return crc32(tail, crc32(kept, crc32(bytesOf(vector))));
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

/** Copies as they are kept: nothing where a face has none, to save half of the space. */
export const storedCopies = (copies: Float32Array): Uint8Array =>
  hasNumbers(copies) ? bytesOf(copies) : new Uint8Array();

/** Reads a row. Throws PetalfaceError where its bytes are not those that were written. */
export function readEmbedding(path: string, row: EmbeddingRow, width: number): FaceEmbedding {
  const { alpha, score } = row;
  if (row.vector.length === 4 * width && (row.copies.length === 4 * width || row.copies.length === 0)) {
    const vector = floatsOf(row.vector);
    const copies = row.copies.length === 0 ? new Float32Array(width) : floatsOf(row.copies);
    if (checkSum({ vector, copies, alpha }) === row.crc) return { vector, copies, alpha, score };
  }
  throw new PetalfaceError(
    "PETAL_GALLERY_DAMAGED",
    `${printPath(path)} is damaged: the embedding of face ${row.face} is not what was written; remove its person and enrol them again, or restore a copy`,
  );
}

/** Puts embeddings into one array, in the order in which they come. */
export interface VectorsWriter {
  put(face: number, person: number, embedding: FaceEmbedding): void;
  finish(): EnrolledVectors;
}

/**
 * A {@link VectorsWriter} for `count` embeddings, or fewer: a face may go while others are read.
 */
export function vectorsWriter(width: number, count: number): VectorsWriter {
  const out: EnrolledVectors = {
    width,
    faces: new Int32Array(count),
    people: new Int32Array(count),
    vectors: new Float32Array(count * width),
    copies: new Float32Array(count * width),
    alpha: new Float32Array(count),
    score: new Float64Array(count),
  };
  let at = 0;
  return {
    put(face, person, { vector, copies, alpha, score }) {
      out.faces[at] = face;
      out.people[at] = person;
      out.vectors.set(vector, at * width);
      out.copies.set(copies, at * width);
      out.alpha[at] = alpha;
      out.score[at] = score ?? Number.NaN;
      at++;
    },
    finish: () =>
      at === count
        ? out
        : {
            width,
            faces: out.faces.slice(0, at),
            people: out.people.slice(0, at),
            vectors: out.vectors.slice(0, at * width),
            copies: out.copies.slice(0, at * width),
            alpha: out.alpha.slice(0, at),
            score: out.score.slice(0, at),
          },
  };
}
