import { readFile } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { type OptionName, optionTable, trainingOptions } from "petalface/training";
import type { Job } from "./job.ts";
import { testPixels } from "./plan.ts";

/** What a training's result depends on, but for the machine, as JSON. */
export function recipeOf({ contender, model, seed, images, faces, options }: Job): string {
  if (contender.options === undefined) return JSON.stringify({ model });
  const chosen = trainingOptions({ ...contender.options, ...options });
  const { train, start, init } = contender;
  return JSON.stringify({ model, seed, images, faces, train, start, init, options: chosen });
}

/** The same of a job's measurements. */
export const askedOf = (job: Job): string =>
  JSON.stringify([recipeOf(job), job.contender.form, job.folds, job.pixels ?? testPixels, job.frozen !== undefined]);

/** A record that a job leaves: what was asked for, and what came of it. */
export interface Kept {
  readonly asked: string;
  readonly seconds: number;
  readonly trained: number;
}

/** A record, if it is of what is asked now. */
export async function readRecord(file: string, asked: string): Promise<Kept | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  const found = text === undefined ? undefined : (JSON.parse(text) as Kept);
  return found !== undefined && isDeepStrictEqual(complete(found.asked), complete(asked)) ? found : undefined;
}

type Recipe = { readonly options?: Readonly<Record<string, unknown>> };

/**
 * What was asked for, with the options that came later: an option is added with a default under
 * which training is what it was.
 */
function complete(asked: string): unknown {
  const parsed = JSON.parse(asked) as Recipe | [string, ...unknown[]];
  if (Array.isArray(parsed)) return [complete(parsed[0]), ...parsed.slice(1)];
  const { options } = parsed;
  if (options === undefined) return parsed;
  const names = Object.keys(optionTable) as OptionName[];
  const added = names.filter((name) => !(name in options) && optionTable[name].default !== undefined);
  const defaults = Object.fromEntries(added.map((name) => [name, optionTable[name].default]));
  return { ...parsed, options: { ...options, ...defaults } };
}
