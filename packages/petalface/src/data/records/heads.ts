import { chunkHead, chunkSize, parseChunkHead, recordHead, recordMagic } from "../../images/index.ts";
import type { Window } from "./window.ts";

/** What stands before an image in its record. */
export interface RecordHead {
  /** Where the record begins in the file. */
  readonly offset: number;
  /** Where the next one begins. */
  readonly end: number;
  /** The first label, which says who it is. */
  readonly label: number;
  /** The second label, NaN where there is none; of a record of people the end of a range. */
  readonly second: number;
  /** Number of labels that follow the header; 0 where the only one is in it. */
  readonly flag: number;
  readonly id: number;
}

/** Labels beyond the second are passed over. */
const needed = recordHead + 8;

/**
 * Reads the head of the record at `offset`, and finds its end. Records that the writer cut, because
 * they hold the magic word, are followed chunk by chunk.
 *
 * @returns why it is damaged, where it is
 */
export async function readHead(window: Window, offset: number): Promise<RecordHead | string> {
  const body = new Uint8Array(needed);
  let have = 0;
  let length = 0;
  let next = offset;
  for (let last = false; !last; ) {
    const place = await window.at(next, chunkHead);
    if (place === undefined) return `the file ends within it (${window.size} bytes); is the file complete?`;
    const head = parseChunkHead(place.view, place.at);
    if (head === undefined) return "no record begins there";
    if (head.part > 1 === (next === offset)) return "its parts are out of order";
    if (next + chunkHead + head.length > window.size)
      return `the file ends within it (${window.size} bytes); is the file complete?`;
    if (next !== offset) {
      if (have + 4 <= needed) new DataView(body.buffer).setUint32(have, recordMagic, true);
      have = Math.min(have + 4, needed);
      length += 4;
    }
    const take = Math.min(head.length, needed - have);
    if (take > 0) {
      const content = await window.at(next + chunkHead, take);
      if (content === undefined) return "the file became shorter";
      const { buffer, byteOffset } = content.view;
      body.set(new Uint8Array(buffer, byteOffset + content.at, take), have);
      have += take;
    }
    length += head.length;
    next += chunkSize(head.length);
    last = head.part === 0 || head.part === 3;
  }
  if (length < recordHead) return `it has ${length} bytes, fewer than its header`;
  const view = new DataView(body.buffer);
  const flag = view.getUint32(0, true);
  if (flag > (length - recordHead) / 4) return `it announces ${flag} labels`;
  return {
    offset,
    end: next,
    flag,
    label: flag === 0 ? view.getFloat32(4, true) : view.getFloat32(recordHead, true),
    second: flag < 2 ? Number.NaN : view.getFloat32(recordHead + 4, true),
    id: Number(view.getBigUint64(8, true)),
  };
}

/**
 * Where the next record after `offset` may begin, behind a damaged place: at the magic word of a
 * first chunk that ends within the file.
 */
export async function findNext(window: Window, offset: number): Promise<number> {
  for (let at = offset; at + chunkHead <= window.size; at += 4) {
    const place = await window.at(at, chunkHead);
    if (place === undefined) break;
    const head = parseChunkHead(place.view, place.at);
    if (head !== undefined && head.part < 2 && at + chunkHead + head.length <= window.size) return at;
  }
  return window.size;
}
