import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readPairs } from "petalface/evaluation";
import { lfw, lfwPairs } from "../skeleton/shared.ts";

/** A photo of a person of LFW. */
export interface Photo {
  readonly person: string;
  readonly path: string;
}

/** Somebody with the photos that there are, in their order. */
export interface Person {
  readonly name: string;
  readonly photos: readonly Photo[];
}

/** People of the official pairs of some folds. */
export async function peopleOf(folds: readonly number[]): Promise<Person[]> {
  const { people } = await readPairs(lfwPairs, { folds });
  return [...new Set(people)].sort().map((name) => ({
    name,
    photos: readdirSync(join(lfw, name))
      .sort()
      .map((file) => ({ person: name, path: join(lfw, name, file) })),
  }));
}
