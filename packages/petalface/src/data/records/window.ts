import type { FileHandle } from "node:fs/promises";

/** Bytes of a file near a position; read off the main thread, many at once. */
export interface Window {
  readonly size: number;
  /**
   * A view that holds at least the bytes `[offset, offset + length)`, and where `offset` lies in
   * it; undefined where the file ends earlier. It is valid until the next call. A promise only
   * where the file had to be read.
   */
  at(offset: number, length: number): Place | undefined | Promise<Place | undefined>;
}

/** A position within a view. */
export interface Place {
  readonly view: DataView;
  readonly at: number;
}

/**
 * @param bytes how much is read at once: much for a walk through the file, little for single places
 */
export function openWindow(file: FileHandle, size: number, bytes: number): Window {
  let buffer = new Uint8Array(bytes);
  let view = new DataView(buffer.buffer);
  let [start, end] = [0, 0];

  async function fill(offset: number, length: number): Promise<Place | undefined> {
    if (length > buffer.length) {
      buffer = new Uint8Array(length);
      view = new DataView(buffer.buffer);
    }
    [start, end] = [offset, offset];
    while (end < offset + length) {
      const { bytesRead } = await file.read(buffer, end - start, buffer.length - (end - start), end);
      if (bytesRead === 0) return undefined;
      end += bytesRead;
    }
    return { view, at: 0 };
  }

  return {
    size,
    at(offset, length) {
      if (offset + length > size) return undefined;
      if (offset >= start && offset + length <= end) return { view, at: offset - start };
      return fill(offset, length);
    },
  };
}
