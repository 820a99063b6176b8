import { PetalfaceError } from "../../errors.ts";
import { fingerprintOf } from "./places.ts";
import type { MatchProtocol } from "./types.ts";
import type { LeftOut } from "./without.ts";

/** Faces that messages name. */
const most = 5;

/**
 * A protocol without the items all of whose faces are left out, and without what they are compared with. The fingerprint is another one where any face
 * is left out.
 *
 * @param left faces, as places in `protocol.faces`, of each way in which they were embedded
 * @throws PetalfaceError where nothing is left to be compared
 */
export function withoutFaces(
  protocol: MatchProtocol,
  left: readonly ReadonlySet<number>[],
): { readonly protocol: MatchProtocol; readonly leftOut: LeftOut | undefined } {
  const faces = new Set(left.flatMap((set) => [...set]));
  if (faces.size === 0) return { protocol, leftOut: undefined };
  const lost = new Set(left.flatMap((set) => [...itemsWithoutFace(protocol, set)]));
  const stays = (item: number): boolean => !lost.has(item);
  const comparisons = protocol.comparisons.map((comparison) => {
    const pair = (at: number): boolean =>
      stays(comparison.first[at] as number) && stays(comparison.second[at] as number);
    const keep = <T extends Int32Array | Uint8Array>(values: T): T => values.filter((_, at) => pair(at)) as T;
    return {
      ...comparison,
      first: keep(comparison.first),
      second: keep(comparison.second),
      same: keep(comparison.same),
    };
  });
  const searches = protocol.searches.map((search) => ({
    ...search,
    probes: search.probes.filter(stays),
    gallery: search.gallery.filter(stays),
  }));
  if (
    comparisons.some(({ first }) => first.length === 0) ||
    searches.some(({ probes, gallery }) => probes.length === 0 || gallery.length === 0)
  )
    throw new PetalfaceError(`${protocol.name}: nothing is left to compare once ${faces.size} faces are left out`);
  const ids = [...faces].sort((a, b) => a - b).map((face) => protocol.data.at(protocol.faces[face] as number).id);
  return {
    protocol: { ...protocol, comparisons, searches, fingerprint: fingerprintOf(protocol.fingerprint, ...ids) },
    leftOut: {
      ...{ count: faces.size, notFinite: faces.size, tried: protocol.faces.length },
      first: ids.slice(0, most).map((id) => `${id}: its embedding is not finite`),
      faces: ids,
    },
  };
}

function itemsWithoutFace({ items, item }: MatchProtocol, left: ReadonlySet<number>): number[] {
  const count = new Uint32Array(items.length);
  item.forEach((owner, face) => {
    if (!left.has(face)) count[owner] = (count[owner] as number) + 1;
  });
  const lost = new Set<number>();
  for (const face of left) {
    const owner = item[face] as number;
    if (count[owner] === 0) lost.add(owner);
  }
  return [...lost];
}
