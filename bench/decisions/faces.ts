import { readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { peopleOfFolds } from "../faces/run.ts";
import { lfw } from "../skeleton/shared.ts";

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
export const peopleOf = async (folds: readonly number[]): Promise<Person[]> =>
  [...(await peopleOfFolds(folds))].sort().map(personOf);

/**
 * People of LFW who are in no pair of any fold: strangers that no choice and no result was measured
 * on.
 */
export async function peopleOfNoFold(): Promise<Person[]> {
  const known = await peopleOfFolds();
  return readdirSync(lfw)
    .filter((name) => !known.has(name))
    .sort()
    .map(personOf);
}

const personOf = (name: string): Person => ({
  name,
  photos: readdirSync(join(lfw, name))
    .sort()
    .map((file) => ({ person: name, path: join(lfw, name, file) })),
});

/**
 * Writes a manifest of the photos of people who are in none of these folds, and in one of the
 * others.
 */
export async function writeTrainingFaces(path: string, heldOut: readonly number[]): Promise<void> {
  const out = await peopleOfFolds(heldOut);
  const rest = (await peopleOf(allFolds.filter((fold) => !heldOut.includes(fold)))).filter(
    ({ name }) => !out.has(name),
  );
  const lines = rest.flatMap(({ photos }) =>
    photos.map(({ person, path: photo }) => JSON.stringify({ path: photo, person })),
  );
  await writeFile(path, `${lines.join("\n")}\n`);
}

const allFolds = Array.from({ length: 10 }, (_, fold) => fold + 1);
