import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type FaceData, nameKey } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { printPath } from "../../images/index.ts";
import { isLitter } from "../../litter.ts";

/** Where a protocol's files are. */
export interface ProtocolPlaces {
  /** Folder of the faces, as the user typed it. */
  readonly data: string;
  /** Folder of the lists, where they do not lie with the faces. */
  readonly lists?: string | undefined;
  /** Share of the images that may be left out; 0.05 unless given. */
  readonly mostLeftOut?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether there is such a file or folder. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * The first of several places that holds all these files or folders.
 *
 * @throws PetalfaceError that says what was looked for, and where
 */
export async function findPlace(
  kind: string,
  candidates: readonly string[],
  names: readonly string[],
): Promise<string> {
  for (const place of candidates)
    if ((await Promise.all(names.map((name) => exists(join(place, name))))).every(Boolean)) return place;
  throw new PetalfaceError(
    "PETAL_DATA_MISSING",
    `${printPath(candidates[0] ?? "")} does not hold ${names.join(", ")}; \`petalface evaluate 'protocol' ${kind} 'help'\` shows the tree that is expected`,
  );
}

/** Files of a folder, sorted; none where it is missing. */
export const filesOf = async (folder: string): Promise<string[]> =>
  (await readdir(folder).catch(() => [])).filter((name) => !isLitter(name)).sort();

/** Numbers people in the order in which they are met. */
export function createPeople() {
  const numbers = new Map<string | number, number>();
  return {
    number(key: string | number): number {
      const known = numbers.get(key);
      if (known !== undefined) return known;
      numbers.set(key, numbers.size);
      return numbers.size - 1;
    },
    get count(): number {
      return numbers.size;
    },
  };
}

/**
 * The digits before the first `_` of a file name, which name the person in TinyFace and SurvFace.
 * Undefined where there are none.
 */
export function leadingNumber(name: string): number | undefined {
  const digits = /^(\d{1,9})_/.exec(name.slice(name.lastIndexOf("/") + 1))?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * A file name without folder and ending, as a key: lists say `.jpg` where aligned copies may be
 * `.png`.
 */
export const stemOf = (name: string): string => nameKey(name.slice(name.lastIndexOf("/") + 1).replace(/\.[^.]*$/, ""));

/** Numbers from `start` on. */
export const range = (start: number, count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => start + i);

/** Faces of a data set as the items of a protocol, one each. */
export const itemsOf = (data: FaceData, faces: Int32Array) => ({
  data,
  faces,
  item: range(0, faces.length),
  items: Array.from(faces, (face) => data.at(face).id),
});

/** Hash of everything that decides what a protocol compares. */
export function fingerprintOf(...parts: readonly (string | number | Uint8Array | Int32Array | Float32Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(typeof part === "object" ? part : JSON.stringify(part));
  return hash.digest("hex");
}
