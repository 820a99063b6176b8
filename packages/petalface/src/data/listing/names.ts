import { itemAt } from "onnx-grad";
import { bytesOfName, nameOfBytes } from "../../disk-names.ts";
import { PetalfaceError } from "../../errors.ts";

/**
 * Many texts in one buffer: a million names take the room of their bytes, not a million objects.
 */
export interface Names {
  readonly length: number;
  at(index: number): string;
  /** All texts behind each other, UTF-8, or the bytes that a disk has as a name. */
  readonly bytes: Uint8Array;
  /** Where each text ends in `bytes`. */
  readonly ends: Uint32Array;
}

/** Collects {@link Names}. */
export interface NamesBuilder {
  push(text: string): void;
  /** The names; nothing can be pushed afterwards. */
  finish(): Names;
}

const mostBytes = 2 ** 32 - 1;

/**
 * Starts collecting names. `push` throws PetalfaceError beyond 4 GiB of text, some 200 million
 * names.
 */
export function createNames(): NamesBuilder {
  let bytes = Buffer.alloc(1 << 12);
  let ends = new Uint32Array(1 << 8);
  let length = 0;
  let used = 0;
  return {
    push(text) {
      // No UTF-16 unit takes more than three bytes.
      const most = used + 3 * text.length;
      if (most > mostBytes)
        throw new PetalfaceError("PETAL_DATA_UNFIT", "the set's names take more than 4 GiB; split the set");
      if (most > bytes.length) {
        const larger = Buffer.alloc(Math.min(Math.max(2 * bytes.length, most), mostBytes));
        bytes.copy(larger, 0, 0, used);
        bytes = larger;
      }
      if (length === ends.length) {
        const larger = new Uint32Array(2 * length);
        larger.set(ends);
        ends = larger;
      }
      used += text.isWellFormed() ? bytes.write(text, used, "utf8") : bytesOfName(text).copy(bytes, used);
      ends[length++] = used;
    },
    finish: () => namesOf(bytes.subarray(0, used), ends.subarray(0, length)),
  };
}

/** Names from their buffers, as {@link Names} has them. */
export function namesOf(bytes: Uint8Array, ends: Uint32Array): Names {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    length: ends.length,
    bytes,
    ends,
    at(index) {
      const end = ends[index];
      if (end === undefined) throw new RangeError(`name ${index} of ${ends.length}`);
      const start = index === 0 ? 0 : itemAt(ends, index - 1);
      const name = text.toString("utf8", start, end);
      return name.includes("\ufffd") ? nameOfBytes(text.subarray(start, end)) : name;
    },
  };
}
