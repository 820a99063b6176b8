import { PetalfaceError } from "../../errors.ts";
import type { LeftOut } from "../results/types.ts";
import { fingerprintOf } from "./places.ts";
import type { Comparisons, Protocol, Search } from "./types.ts";

/** Faces that messages name. */
const most = 5;

/**
 * A protocol without the items all of whose faces are left out, and without what they are compared
 * with. Items keep their numbers. The fingerprint is another one where any face is left out, so
 * that only results on the same faces are compared.
 *
 * @param left faces, as places in `protocol.faces`
 * @returns also the lost items, and what a result says of them
 * @throws PetalfaceError where nothing, or pairs of one kind only, is left to be compared
 */
export function withoutFaces(
  protocol: Protocol,
  left: ReadonlySet<number>,
): { readonly protocol: Protocol; readonly lost: ReadonlySet<number>; readonly leftOut: LeftOut | undefined } {
  if (left.size === 0) return { protocol, lost: new Set(), leftOut: undefined };
  const lost = itemsWithoutFace(protocol, left);
  const comparisons = protocol.comparisons.map((list) => keepPairs(protocol, list, lost));
  const searches = protocol.searches.map((search) => keepSearch(protocol, search, lost));
  if (
    comparisons.some(({ first }) => first.length === 0) ||
    searches.some(
      ({ probes, gallery }, at) =>
        gallery.length === 0 || (probes.length === 0 && protocol.searches[at]?.probes.length !== 0),
    )
  )
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${protocol.name}: nothing is left to compare once ${left.size} faces are left out`,
    );
  const ids = [...left].sort((a, b) => a - b).map((face) => protocol.data.at(protocol.faces[face]).id);
  return {
    protocol: { ...protocol, comparisons, searches, fingerprint: fingerprintOf(protocol.fingerprint, ...ids) },
    lost,
    leftOut: {
      count: left.size,
      notFinite: left.size,
      tried: protocol.faces.length,
      first: ids.slice(0, most).map((id) => `${id}: its embedding is not finite`),
      faces: ids,
    },
  };
}

/** The pairs both of whose items are there. */
function keepPairs({ name }: Protocol, list: Comparisons, lost: ReadonlySet<number>): Comparisons {
  const stays = (at: number): boolean => !lost.has(list.first[at]) && !lost.has(list.second[at]);
  const keep = <T extends Int32Array | Uint8Array>(values: T): T => values.filter((_, at) => stays(at)) as T;
  const same = keep(list.same);
  const genuine = same.reduce((sum, flag) => sum + flag, 0);
  if (list.fold !== undefined && (genuine === 0 || genuine === same.length))
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `${name}: without the images that are left out ${genuine} pairs of one person and ${same.length - genuine} of two remain; both kinds are needed`,
    );
  return { ...list, first: keep(list.first), second: keep(list.second), same, fold: list.fold && keep(list.fold) };
}

/** The probes and gallery items that are there. */
function keepSearch({ person }: Protocol, search: Search, lost: ReadonlySet<number>): Search {
  const stays = (item: number): boolean => !lost.has(item);
  if (!search.firstOfEach)
    return { ...search, probes: search.probes.filter(stays), gallery: search.gallery.filter(stays) };
  const enrolled = new Set<number>();
  const [gallery, probes]: [number[], number[]] = [[], []];
  for (const item of [...search.gallery, ...search.probes].filter(stays).sort((a, b) => a - b)) {
    const who = person[item];
    (enrolled.has(who) ? probes : gallery).push(item);
    enrolled.add(who);
  }
  return { ...search, probes: Int32Array.from(probes), gallery: Int32Array.from(gallery) };
}

function itemsWithoutFace({ items, item }: Protocol, left: ReadonlySet<number>): Set<number> {
  const count = new Uint32Array(items.length);
  item.forEach((owner, face) => {
    if (!left.has(face)) count[owner] += 1;
  });
  return new Set([...left].map((face) => item[face]).filter((owner) => count[owner] === 0));
}
