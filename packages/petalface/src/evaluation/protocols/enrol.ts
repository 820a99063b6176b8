import { type CopyOptions, checkCopies, type RowSource } from "../../matching/index.ts";
import type { EnrolledItems } from "./copied.ts";
import { type PooledItems, poolItems } from "./pool.ts";
import type { Protocol } from "./types.ts";

/** Low-resolution copies of the faces that a protocol enrols. */
export interface CopyRows extends CopyOptions {
  /** Those faces, as places in `protocol.faces`; see {@link enrolledFaces}. */
  readonly places: Int32Array;
  /** Of each size, embeddings of the copies of those faces, in that order. */
  readonly rows: readonly RowSource[];
}

/**
 * The faces, as places in `protocol.faces`, of items that are enrolled: in galleries, on the
 * enrolled side of comparisons, and where all faces are degraded on either side.
 */
export function enrolledFaces({ searches, comparisons, item, degradable }: Protocol): Int32Array {
  const items = new Set(searches.flatMap(({ gallery }) => [...gallery]));
  for (const { enrolled, first, second } of comparisons) {
    if (degradable === "all" || enrolled === "first") for (const one of first) items.add(one);
    if (degradable === "all" || enrolled === "second") for (const one of second) items.add(one);
  }
  return Int32Array.from(item.keys()).filter((place) => items.has(item[place]));
}

/**
 * Enrols items with their copies: copies of one size make up an item as its faces do, and count at
 * unit length.
 *
 * @param given the items as given
 * @returns also the faces to leave out, those of `given` among them
 */
export async function enrolItems(
  protocol: Protocol,
  copies: CopyRows,
  given: PooledItems,
  signal?: AbortSignal,
): Promise<EnrolledItems & { readonly left: ReadonlySet<number> }> {
  checkCopies(copies);
  const { places, rows, weight } = copies;
  const { media, weight: shares } = protocol;
  const part: Protocol = {
    ...protocol,
    item: places.map((place) => protocol.item[place]),
    media: media && places.map((place) => media[place]),
    weight: shares && Float32Array.from(places, (place) => shares[place]),
    digest: "face",
  };
  const left = new Set(given.left);
  const sums = new Float32Array(given.templates.length);
  for (const source of rows) {
    const known = new Set([...places.keys()].filter((at) => left.has(places[at])));
    const pooled = await poolItems(part, source, known, signal);
    for (const at of pooled.left) left.add(places[at]);
    for (let i = 0; i < sums.length; i++) sums[i] += pooled.templates[i];
  }
  const width = given.templates.length / protocol.items.length;
  return { faces: { width, sharp: given.templates, copies: sums }, weight, left };
}

/**
 * Mean alpha of the faces of each item that take part; 0, that of a poor face, for an item without
 * any.
 */
export function itemAlphas({ items, item }: Protocol, alpha: Float32Array, left: ReadonlySet<number>): Float32Array {
  const sums = new Float64Array(items.length);
  const counts = new Float64Array(items.length);
  item.forEach((owner, face) => {
    if (left.has(face)) return;
    sums[owner] += alpha[face];
    counts[owner] += 1;
  });
  return Float32Array.from(sums, (sum, owner) => sum / Math.max(1, counts[owner]));
}
