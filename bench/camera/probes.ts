import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { peopleOfFolds } from "../faces/run.ts";
import type { Python } from "../skeleton/python.ts";
import { lfw, shared } from "../skeleton/shared.ts";
import { spread } from "../skeleton/statistics.ts";
import { choiceFold, heldBackFolds, kinds, people, probePhotos, shownFolds } from "./plan.ts";

/** Photos of the people who are shown. */
export interface Shown {
  readonly people: readonly string[];
  /** Enrolled photo of each person. */
  readonly gallery: readonly string[];
  /** Probes: `NAME/NAME_0002` and the row of their person. */
  readonly probes: readonly { readonly id: string; readonly person: number }[];
}

const photo = (name: string, number: number): string => `${name}/${name}_${String(number).padStart(4, "0")}`;

/** File of a photo. */
export const photoFile = (id: string): string => join(lfw, `${id}.jpg`);

/**
 * People of the shown folds, of none of the untouched ones, with enough photos; spread over the
 * alphabet.
 */
export async function shownPeople(): Promise<Shown> {
  const names = await peopleOf(shownFolds);
  const found = names.filter((name) => existsSync(photoFile(photo(name, Math.max(...probePhotos)))));
  const chosen = spread(people, found.length).map((at) => found[at]);
  return {
    people: chosen,
    gallery: chosen.map((name) => photo(name, 1)),
    probes: chosen.flatMap((name, person) => probePhotos.map((number) => ({ id: photo(name, number), person }))),
  };
}

/**
 * For choices: all people of fold 6 who are not shown. Most have one photo, so each probe is the
 * enrolled photo itself.
 */
export async function choicePeople(): Promise<Shown> {
  const shown = new Set((await shownPeople()).people);
  const names = await peopleOf([choiceFold]);
  const chosen = names.filter((name) => !shown.has(name));
  const gallery = chosen.map((name) => photo(name, 1));
  return { people: chosen, gallery, probes: gallery.map((id, person) => ({ id, person })) };
}

/** People of some folds and of none that is held back, in order. */
async function peopleOf(folds: readonly number[]): Promise<readonly string[]> {
  const untouched = await peopleOfFolds(heldBackFolds);
  return [...(await peopleOfFolds(folds))].filter((name) => !untouched.has(name)).sort();
}

/** Makes the probes of every camera unless they are there; returns their folder. */
export async function makeProbes(work: string, shown: Shown, seed: number, python: Python): Promise<string> {
  const program = join(import.meta.dirname, "chain.py");
  const requirements = join(import.meta.dirname, "requirements.txt");
  const job = {
    seed,
    kinds,
    detector: join(shared, "weights/yunet_n_dynamic.onnx"),
    faces: shown.probes.map(({ id }) => ({ id, file: photoFile(id) })),
  };
  const made = [await readFile(program), await readFile(requirements), JSON.stringify(job)];
  const hash = made.reduce((sum, part) => sum.update(part), createHash("sha256")).digest("hex");
  const out = join(work, `probes-${hash.slice(0, 12)}`);
  if (existsSync(out)) return out;
  const unfinished = `${out}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const request = join(work, "job.json");
  await writeFile(request, JSON.stringify({ ...job, out: unfinished }));
  python.run([program, request]);
  await rename(unfinished, out);
  return out;
}

/** File of a probe that the chain made. */
export const probeFile = (folder: string, kind: string, id: string): string =>
  join(folder, kind, `${id}.${kind === "still" ? "jpg" : "png"}`);
