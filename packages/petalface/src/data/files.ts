import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import type { FaceData } from "./types.ts";

/** Image files of a set, in the order of the set. */
export interface FileList {
  readonly spec: string;
  /** Folder that relative ids start from. */
  readonly root: string;
  readonly people: readonly string[];
  /** Person of each file, or -1. */
  readonly person: Int32Array;
  readonly length: number;
  /** Path of a file relative to `root`, with `/`; unique. */
  id(index: number): string;
  readonly quality?: Float32Array;
  /** Files that were left out because they are no images. */
  readonly skipped?: number;
}

const statsAtOnce = 64;

/**
 * Turns a list of files into a data set. Asks for the size of every file, which the fingerprint contains.
 *
 * @param missing makes the error for a file that is not there
 */
export async function dataOfFiles(
  files: FileList,
  missing: (index: number, cause: unknown) => Error,
): Promise<FaceData> {
  const { spec, root, people, person, length, quality, skipped } = files;
  const path = (id: string) => (isAbsolute(id) ? id : join(root, id));
  const hash = createHash("sha256");
  for (let start = 0; start < length; start += statsAtOnce) {
    const part = Array.from({ length: Math.min(statsAtOnce, length - start) }, (_, at) => start + at);
    const sizes = await Promise.all(
      part.map((index) =>
        sizeOf(path(files.id(index))).catch((cause: unknown) => {
          throw missing(index, cause);
        }),
      ),
    );
    part.forEach((index, at) => {
      const owner = person[index] as number;
      hash.update(JSON.stringify([files.id(index), owner < 0 ? null : people[owner], sizes[at]]));
    });
  }
  return {
    spec,
    length,
    people,
    fingerprint: hash.digest("hex"),
    ...(skipped === undefined ? {} : { skipped }),
    at(index) {
      if (!(Number.isInteger(index) && index >= 0 && index < length))
        throw new RangeError(`sample ${index} of ${length}`);
      const id = files.id(index);
      const sample = { id, person: person[index] as number, source: { kind: "file", path: path(id) } } as const;
      const score = quality?.[index];
      return score === undefined || Number.isNaN(score) ? sample : { ...sample, quality: score };
    },
  };
}

async function sizeOf(path: string): Promise<number> {
  const stats = await stat(path);
  if (!stats.isFile()) throw new Error("it is not a file");
  return stats.size;
}

/** Order by code units: the same on every machine, whatever its language. */
export function byCodeUnits(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
