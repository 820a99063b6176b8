import { normaliseRows } from "../matching/portable.ts";
import { codeRows } from "./codes.ts";
import { floatsFrom } from "./rows.ts";

/** What a store keeps of faces, as its rows have it; null where there is none. */
export interface KeptOfFace {
  readonly vector: Uint8Array;
  readonly copies: Uint8Array;
  readonly source: Uint8Array;
  readonly crop: Uint8Array | null;
}

/**
 * All values that lie in the files for faces: what their rows hold, and the 8-bit codes that blocks
 * hold of their embeddings.
 */
export function storedValues(faces: readonly KeptOfFace[], width: number): Uint8Array[] {
  const codesOf = (bytes: Uint8Array, unit: boolean): Uint8Array[] => {
    const row = bytes.length === 4 * width ? floatsFrom(bytes) : new Float32Array();
    // One that is damaged may be anything, and is in no block.
    if (row.length === 0 || !row.every(Number.isFinite)) return [];
    return [new Uint8Array(codeRows(unit ? normaliseRows(row, width) : row, width).codes.buffer)];
  };
  return faces.flatMap(({ vector, copies, source, crop }) => [
    ...[vector, copies, source, ...(crop === null ? [] : [crop])],
    ...[...codesOf(vector, true), ...codesOf(copies, false)],
  ]);
}

/** Bytes of one fragment that is looked for: long enough never to be there by chance. */
export const fragmentBytes = 16;

/**
 * Pieces of values, to look for after the values were deleted: of each the middle and the end,
 * since files of pictures begin alike. Each piece once, and none of equal bytes.
 */
export function fragmentsOf(values: readonly Uint8Array[]): Buffer[] {
  const pieces = values.flatMap((value) => {
    if (value.length < fragmentBytes) return [];
    const starts = [Math.floor((value.length - fragmentBytes) / 2), value.length - fragmentBytes];
    return starts
      .map((start) => Buffer.from(value.subarray(start, start + fragmentBytes)))
      .filter((piece) => piece.some((byte) => byte !== piece[0]));
  });
  return [...new Map(pieces.map((piece) => [piece.toString("latin1"), piece])).values()];
}
