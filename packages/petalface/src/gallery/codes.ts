import { normaliseRows } from "../matching/portable.ts";
import { release } from "./release.ts";
import { allocateIn, type SharedMemory } from "./scan/wasm.ts";
import type { CodedRows, EnrolledVectors, FaceCodes } from "./types.ts";

/**
 * Faces of one block. Blocks are what large galleries keep in addition to the
 * embeddings, so that they open and search fast: all that search needs, with 8 bits a number.
 */
export const blockFaces = 4096;

/**
 * A block as stores keep it: all but the copies' codes, and these, which many searches do not need.
 */
export interface StoredBlock {
  readonly count: number;
  readonly sharp: Uint8Array;
  /** Empty where no face has copies. */
  readonly copies: Uint8Array;
}

/** Codes of a row of so many numbers. */
export const strideOf = (width: number): number => Math.ceil(width / 16) * 16;

const largestCode = 127;

/** Rounds rows to 8 bits. */
export function codeRows(rows: Float32Array, width: number): CodedRows {
  const count = rows.length / width;
  const stride = strideOf(width);
  const out = {
    codes: new Int8Array(count * stride),
    scale: new Float32Array(count),
    error: new Float32Array(count),
  };
  for (let row = 0; row < count; row++) {
    let largest = 0;
    for (let at = row * width; at < (row + 1) * width; at++) largest = Math.max(largest, Math.abs(rows[at]));
    // Rounded to float32 first, as it is kept: the error is that of what is kept.
    const scale = Math.fround(largest / largestCode);
    let lost = 0;
    if (scale > 0)
      for (let at = 0; at < width; at++) {
        const value = rows[row * width + at];
        const code = Math.max(-largestCode, Math.min(largestCode, Math.round(value / scale)));
        out.codes[row * stride + at] = code;
        lost += (value - scale * code) ** 2;
      }
    out.scale[row] = scale;
    // A little more, since this is a float32 and serves as a bound.
    out.error[row] = Math.sqrt(lost) * (1 + 1e-6);
  }
  return out;
}

/** Puts faces into 8 bits. */
export function codeFaces(vectors: EnrolledVectors): FaceCodes {
  const { width, faces, people, alpha, copies } = vectors;
  const units = normaliseRows(vectors.vectors, width);
  const count = faces.length;
  const [mixed, squares] = [new Float32Array(count), new Float32Array(count)];
  for (let face = 0; face < count; face++) {
    let [product, square] = [0, 0];
    for (let at = face * width; at < (face + 1) * width; at++) {
      const value = copies[at];
      product += units[at] * value;
      square += value * value;
    }
    [mixed[face], squares[face]] = [product, square];
  }
  const hasCopies = squares.some((square) => square > 0);
  const sharp = codeRows(units, width);
  release(units);
  return {
    ...{ width, stride: strideOf(width), count, faces, people, alpha, mixed, squares },
    sharp,
    copies: hasCopies ? codeRows(copies, width) : null,
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** A block as bytes, little-endian; {@link placeBlock} reads it. */
export function storeBlock(codes: FaceCodes): StoredBlock {
  const { count, faces, people, alpha, sharp, copies, mixed, squares } = codes;
  const join = (parts: readonly ArrayBufferView[]): Uint8Array => new Uint8Array(Buffer.concat(parts.map(bytesOf)));
  return {
    count,
    sharp: join([faces, people, alpha, mixed, squares, sharp.scale, sharp.error, sharp.codes]),
    copies: copies === null ? new Uint8Array() : join([copies.scale, copies.error, copies.codes]),
  };
}

/**
 * Room for the codes of many faces.
 *
 * @param memory where the codes go; what scanning threads read besides is shared then
 */
export function emptyCodes(width: number, count: number, hasCopies: boolean, memory?: SharedMemory): FaceCodes {
  const stride = strideOf(width);
  const rows = (): CodedRows => ({
    codes: memory === undefined ? new Int8Array(count * stride) : allocateIn(memory, count * stride),
    scale: memory === undefined ? new Float32Array(count) : new Float32Array(new SharedArrayBuffer(4 * count)),
    error: new Float32Array(count),
  });
  return {
    ...{ width, stride, count, faces: new Int32Array(count), people: new Int32Array(count) },
    ...{ alpha: new Float32Array(count), mixed: new Float32Array(count), squares: new Float32Array(count) },
    sharp: rows(),
    copies: hasCopies ? rows() : null,
  };
}

/** Copies faces in 8 bits to row `start` of others. */
export function placeCodes(to: FaceCodes, from: FaceCodes, start: number): void {
  const rows = (target: CodedRows, source: CodedRows): void => {
    target.codes.set(source.codes, start * to.stride);
    target.scale.set(source.scale, start);
    target.error.set(source.error, start);
  };
  for (const name of ["faces", "people", "alpha"] as const) to[name].set(from[name], start);
  // Without copies they are zeros, as they are in new memory, which the system gives when it is
  // written.
  if (from.copies !== null) for (const name of ["mixed", "squares"] as const) to[name].set(from[name], start);
  rows(to.sharp, from.sharp);
  if (from.copies !== null && to.copies !== null) rows(to.copies, from.copies);
}

/**
 * Reads a stored block.
 *
 * @returns undefined where its length is not that of so many faces; the arrays lie in the block's
 * own memory
 */
export function readBlock(block: StoredBlock, width: number): FaceCodes | undefined {
  const { count } = block;
  const stride = strideOf(width);
  const takeFrom = (bytes: Uint8Array) => {
    let at = 0;
    // Copied only where it is not aligned.
    const take = (length: number): Uint8Array => {
      at += length;
      const part = bytes.subarray(at - length, at);
      return part.byteOffset % 4 === 0 ? part : new Uint8Array(part);
    };
    const ints = ({ buffer, byteOffset }: Uint8Array) => new Int32Array(buffer, byteOffset, count);
    const floats = ({ buffer, byteOffset }: Uint8Array) => new Float32Array(buffer, byteOffset, count);
    return {
      ints: () => ints(take(4 * count)),
      floats: () => floats(take(4 * count)),
      codes: (): Int8Array => {
        at += count * stride;
        return new Int8Array(bytes.buffer, bytes.byteOffset + at - count * stride, count * stride);
      },
    };
  };
  if (block.sharp.length !== count * (28 + stride)) return undefined;
  if (block.copies.length !== 0 && block.copies.length !== count * (8 + stride)) return undefined;
  const one = takeFrom(block.sharp);
  const head = { width, stride, count, faces: one.ints(), people: one.ints(), alpha: one.floats() };
  const rest = { mixed: one.floats(), squares: one.floats() };
  const sharp = { scale: one.floats(), error: one.floats(), codes: one.codes() };
  const other = takeFrom(block.copies);
  const copies =
    block.copies.length === 0 ? null : { scale: other.floats(), error: other.floats(), codes: other.codes() };
  return { ...head, ...rest, sharp, copies };
}

/** The faces of a block but those that are gone. */
export function withoutFaces(codes: FaceCodes, gone: ReadonlySet<number>): FaceCodes {
  const kept = [...codes.faces.keys()].filter((row) => !gone.has(codes.faces[row]));
  const out = emptyCodes(codes.width, kept.length, codes.copies !== null);
  const { stride } = codes;
  const rows = (target: CodedRows, source: CodedRows, row: number, to: number): void => {
    target.codes.set(source.codes.subarray(row * stride, (row + 1) * stride), to * stride);
    target.scale[to] = source.scale[row];
    target.error[to] = source.error[row];
  };
  kept.forEach((row, to) => {
    for (const name of ["faces", "people", "alpha", "mixed", "squares"] as const) out[name][to] = codes[name][row];
    rows(out.sharp, codes.sharp, row, to);
    if (codes.copies !== null && out.copies !== null) rows(out.copies, codes.copies, row, to);
  });
  return out;
}

/** The same faces, some of them another person's. */
export function withPeople(codes: FaceCodes, faces: ReadonlySet<number>, person: number): FaceCodes {
  const people = codes.people.map((own, row) => (faces.has(codes.faces[row]) ? person : own));
  return { ...codes, people };
}
