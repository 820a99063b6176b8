import { isAbsolute, join } from "node:path";
import { itemAt } from "onnx-grad";
import { printPath } from "../images/index.ts";
import type { FileIndex } from "./listing/index-of-files.ts";
import type { FaceData } from "./types.ts";
import { requireMost } from "./unreadable.ts";

/**
 * The faces that an index lists.
 *
 * @param spec what the user typed
 * @param root folder that relative paths start from
 * @param mostLeftOut share of the images that may be left out
 * @throws PetalfaceError where more are
 */
export function dataOfIndex(spec: string, root: string, index: FileIndex, mostLeftOut: number | undefined): FaceData {
  const { people, person, names, inFolders, nested, quality, skipped, unreadable, fingerprint } = index;
  requireMost(printPath(spec), unreadable, mostLeftOut);
  const { length } = person;
  return {
    spec,
    length,
    people,
    fingerprint,
    skipped,
    nested,
    unreadable,
    mostLeftOut,
    at(at) {
      if (!(Number.isInteger(at) && at >= 0 && at < length)) throw new RangeError(`sample ${at} of ${length}`);
      const owner = itemAt(person, at);
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
