import { createHash } from "node:crypto";
import { poolTemplates, type RowSource } from "../../matching/index.ts";
import type { Protocol } from "./types.ts";

/** One embedding an item. */
export interface PooledItems {
  /** Unit rows, zeros where all faces of the item are left out. */
  readonly templates: Float32Array;
  /** Faces, as places in `protocol.faces`, that are left out. */
  readonly left: ReadonlySet<number>;
  /** The first 64 bits of the SHA-256 of each item's embedding, hex. */
  readonly digests: readonly string[];
}

/**
 * Reads the embeddings of a protocol's faces once, front to back, and makes one of each item.
 *
 * @param known faces that are left out from the start
 */
export async function poolItems(
  { items, item, media, weight, digest }: Protocol,
  rows: RowSource,
  known: ReadonlySet<number>,
  signal?: AbortSignal,
): Promise<PooledItems> {
  const members = { templates: items.length, template: item, media: media ?? Int32Array.from(item.keys()), weight };
  const seen: string[] = [];
  const source = digest === "face" ? watched(rows, (start, row) => (seen[start] = digestOf(row))) : rows;
  for (let left = known; ; ) {
    const found = new Set(left);
    const onLeft = (face: number): void => {
      found.add(face);
    };
    const templates = await poolTemplates(source, { ...members, left, onLeft }, { signal });
    // Only a medium of several faces has a mean that another count changes.
    if (found.size === left.size || media === undefined)
      return { templates, left: found, digests: digest === "face" ? seen : digestsOf(templates, rows.width) };
    left = found;
  }
}

/** The same rows, each shown as it is read. */
const watched = (rows: RowSource, see: (place: number, row: Float32Array) => void): RowSource => ({
  ...rows,
  async read(start, count) {
    const data = await rows.read(start, count);
    for (let row = 0; row < count; row++) see(start + row, data.subarray(row * rows.width, (row + 1) * rows.width));
    return data;
  },
});

const digestsOf = (data: Float32Array, width: number): string[] =>
  Array.from({ length: data.length / width }, (_, row) => digestOf(data.subarray(row * width, (row + 1) * width)));

const digestOf = (row: Float32Array): string =>
  createHash("sha256")
    .update(new Uint8Array(row.buffer, row.byteOffset, row.byteLength))
    .digest("hex")
    .slice(0, 16);
