import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";

/** The bytes ended in the middle of a pickle. */
export class TruncatedPickle extends PetalfaceError {}

/** Reads forward through bytes; every length is checked before anything is made of it. */
export interface ByteReader {
  /** Bytes read so far, from the first one of the array. */
  readonly position: () => number;
  readonly byte: () => number;
  /** The next bytes, shared with the array. */
  readonly take: (length: number) => Uint8Array;
  /** The next bytes up to a line feed, which is skipped, as Latin-1. */
  readonly line: () => string;
  readonly uint16: () => number;
  readonly int32: () => number;
  readonly uint32: () => number;
  /** Throws where the number is more than JavaScript counts exactly. */
  readonly uint64: () => number;
  readonly float64BigEndian: () => number;
}

/**
 * Longest line of the text protocol that is read; longer ones are names or numbers that no
 * checkpoint has.
 */
const LONGEST_LINE = 1 << 20;

/** @param name what error messages call the bytes; @param start first byte */
export function readBytes(bytes: Uint8Array, name: string, start: number): ByteReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = start;
  const advance = (length: number): number => {
    if (length > bytes.length - position)
      throw new TruncatedPickle(
        "PETAL_CHECKPOINT_DAMAGED",
        `${name}: it ends in the middle, at byte ${bytes.length} (${length} more are announced at ${position}); is the file complete?`,
      );
    const at = position;
    position += length;
    return at;
  };
  return {
    position: () => position,
    byte: () => itemAt(bytes, advance(1)),
    take: (length) => {
      const at = advance(length);
      return bytes.subarray(at, at + length);
    },
    line: () => {
      const end = bytes.subarray(0, position + LONGEST_LINE).indexOf(10, position);
      if (end < 0) return String(advance(bytes.length - position + 1));
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + position, end - position).toString("latin1");
      position = end + 1;
      return text;
    },
    uint16: () => view.getUint16(advance(2), true),
    int32: () => view.getInt32(advance(4), true),
    uint32: () => view.getUint32(advance(4), true),
    uint64: () => {
      const at = advance(8);
      const value = view.getBigUint64(at, true);
      if (value > BigInt(Number.MAX_SAFE_INTEGER))
        throw new PetalfaceError(
          "PETAL_CHECKPOINT_DAMAGED",
          `${name}: a length of ${value} bytes is announced at byte ${at}; the file is damaged`,
        );
      return Number(value);
    },
    float64BigEndian: () => view.getFloat64(advance(8), false),
  };
}
