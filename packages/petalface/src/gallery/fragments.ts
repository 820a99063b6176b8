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
