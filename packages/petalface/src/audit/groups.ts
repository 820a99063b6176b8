import { findNear } from "./near.ts";
import { digestWords, type Pictures } from "./pictures.ts";

/** Pictures that are one: the first of the set, and its copies. */
export interface CopyGroup {
  readonly members: readonly number[];
  /** Bits in which the farthest neighbours of the chain differ; 0 for equal pixels. */
  readonly distance: number;
}

/** Copies within a collection. */
export interface Copies {
  /** Equal pixels. */
  readonly exact: readonly CopyGroup[];
  /** Nearly equal: groups by chains of neighbours; of exact copies only the first takes part. */
  readonly near: readonly CopyGroup[];
  /** False where not every pair could be compared. */
  readonly complete: boolean;
}

/** Pairs of near copies that are listed at most. */
const mostPairs = 1_000_000;

/** Groups exact and near copies. Members and groups are in the order of the set. */
export function findCopies({ count, digests, hashes, unreadable }: Pictures): Copies {
  const skip = unreadable.slice();
  const order = Uint32Array.from({ length: count }, (_, i) => i).filter((picture) => unreadable[picture] === 0);
  const compare = (a: number, b: number): number => {
    for (let word = 0; word < digestWords; word++) {
      const difference = digests[a * digestWords + word] - digests[b * digestWords + word];
      if (difference !== 0) return difference;
    }
    return 0;
  };
  order.sort((a, b) => compare(a, b) || a - b);
  const exact: CopyGroup[] = [];
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && compare(order[start], order[end]) === 0) end++;
    if (end > start + 1) {
      const members = [...order.subarray(start, end)];
      exact.push({ members, distance: 0 });
      for (const copy of members.slice(1)) skip[copy] = 1;
    }
    start = end;
  }
  exact.sort((a, b) => a.members[0] - b.members[0]);
  const { pairs, complete } = findNear(hashes, count, { skip, most: mostPairs });
  return { exact, near: chain(pairs), complete };
}

/** Joins pairs into groups (union-find). */
function chain(pairs: ReturnType<typeof findNear>["pairs"]): CopyGroup[] {
  const parents = new Map<number, number>();
  const root = (picture: number): number => {
    let at = picture;
    for (let parent = parents.get(at); parent !== undefined && parent !== at; parent = parents.get(at)) {
      parents.set(at, parents.get(parent) ?? parent);
      at = parent;
    }
    return at;
  };
  for (const { one, other } of pairs) {
    const [a, b] = [root(one), root(other)];
    if (!parents.has(a)) parents.set(a, a);
    parents.set(Math.max(a, b), Math.min(a, b));
    if (!parents.has(Math.min(a, b))) parents.set(Math.min(a, b), Math.min(a, b));
  }
  const groups = new Map<number, { members: Set<number>; distance: number }>();
  for (const { one, other, distance } of pairs) {
    const at = root(one);
    const group = groups.get(at) ?? { members: new Set(), distance: 0 };
    group.members.add(one).add(other);
    group.distance = Math.max(group.distance, distance);
    groups.set(at, group);
  }
  return [...groups.values()]
    .map(({ members, distance }) => ({ members: [...members].sort((a, b) => a - b), distance }))
    .sort((a, b) => a.members[0] - b.members[0]);
}
