import { unreadable } from "../graph/errors.ts";
import { itemAt } from "../graph/item-at.ts";
import type { PositionedFile } from "./file.ts";

/** One field of a protobuf message as it lies in a file. */
export interface Field {
  readonly number: number;
  /** Wire type: 0 varint, 1 eight bytes, 2 a run of bytes, 5 four bytes. */
  readonly wire: number;
  /** Where the field (its tag) starts. */
  readonly start: number;
  /** Where its payload starts; a varint's value starts here. */
  readonly body: number;
  /** Where the next field starts. */
  readonly end: number;
  /** The value of a varint, as far as a double holds it. */
  readonly value: number;
}

/**
 * How many fields a model may have: real ones have some ten thousand; the bound keeps hostile ones
 * from filling memory.
 */
const MAX_FIELDS = 2_000_000;
const CHUNK = 1 << 16;

/**
 * Walks over protobuf messages in a file without loading them: the file is read in chunks, payloads
 * are skipped. Every length is checked against the message around it.
 */
export function wireWalker(file: PositionedFile): (start: number, end: number) => Generator<Field> {
  let chunk: Uint8Array = new Uint8Array(0);
  let chunkStart = 0;
  let seen = 0;

  function fail(offset: number, what: string): never {
    throw unreadable(`${file.path}: ${what} at byte ${offset}; it is truncated or not an ONNX model`);
  }

  function byteAt(offset: number): number {
    if (offset < chunkStart || offset >= chunkStart + chunk.length) {
      chunkStart = offset;
      chunk = file.read(offset, Math.min(CHUNK, file.size - offset));
    }
    return itemAt(chunk, offset - chunkStart);
  }

  /** The varint at `offset` and where it ends. */
  function varint(offset: number, limit: number): [value: number, end: number] {
    let value = 0;
    let factor = 1;
    for (let at = offset; at < offset + 10; at++) {
      if (at >= limit) fail(offset, "a number is cut off");
      const byte = byteAt(at);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return [value, at + 1];
      factor *= 128;
    }
    return fail(offset, "a number is too long");
  }

  return function* fields(start, end) {
    let at = start;
    while (at < end) {
      if (++seen > MAX_FIELDS) fail(at, "too many fields");
      const [tag, body] = varint(at, end);
      const number = Math.floor(tag / 8);
      const wire = tag % 8;
      if (number === 0) fail(at, "a field has no number");
      const field = { number, wire, start: at };
      if (wire === 0) {
        const [value, next] = varint(body, end);
        yield { ...field, body, end: next, value };
        at = next;
      } else if (wire === 1 || wire === 5) {
        const next = body + (wire === 1 ? 8 : 4);
        if (next > end) fail(at, "a field is cut off");
        yield { ...field, body, end: next, value: 0 };
        at = next;
      } else if (wire === 2) {
        const [length, first] = varint(body, end);
        if (length > end - first) fail(at, `a field of ${length} bytes does not fit`);
        yield { ...field, body: first, end: first + length, value: 0 };
        at = first + length;
      } else {
        fail(at, `wire type ${wire} is unknown`);
      }
    }
  };
}

/** A varint as protobuf writes it, for whole numbers up to 2^53. */
export function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** Tag and length of a field that holds a run of bytes. */
export const encodeHeader = (field: number, length: number): Uint8Array =>
  Uint8Array.from([...encodeVarint(field * 8 + 2), ...encodeVarint(length)]);
