import { isAbsolute, join } from "node:path";
import type { FileIndex } from "./listing/index-of-files.ts";
import type { FaceData } from "./types.ts";

/**
 * The faces that an index lists.
 *
 * @param spec what the user typed
 * @param root folder that relative paths start from
 */
export function dataOfIndex(spec: string, root: string, index: FileIndex): FaceData {
  const { people, person, names, inFolders, quality, skipped, unreadable, fingerprint } = index;
  const { length } = person;
  return {
    spec,
    length,
    people,
    fingerprint,
    skipped,
    unreadable,
    at(at) {
      if (!(Number.isInteger(at) && at >= 0 && at < length)) throw new RangeError(`sample ${at} of ${length}`);
      const owner = person[at] as number;
      const name = names.at(at);
      const id = inFolders ? `${people[owner]}/${name}` : name;
      const path = isAbsolute(id) ? id : join(root, id);
      const sample = { id, person: owner, source: { kind: "file", path } } as const;
      const score = quality?.[at];
      return score === undefined || Number.isNaN(score) ? sample : { ...sample, quality: score };
    },
  };
}

/** Order by code units: the same on every machine, whatever its language. */
export function byCodeUnits(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
