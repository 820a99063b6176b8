import { stat } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { mapMeasureFiles } from "../../quality/index.ts";
import type { Place, Places, RunRecord } from "./record.ts";
import type { ResumeChanges } from "./types.ts";

/**
 * Where the paths among some texts are, for `run.json`. Texts that are not paths (`synthetic:...`)
 * are left out.
 */
export async function placesOf(folder: string, texts: readonly (string | undefined)[]): Promise<Places> {
  const places: Record<string, Place> = {};
  for (const text of texts) {
    if (text === undefined || text === "" || !(await exists(text))) continue;
    places[text] = { absolute: resolve(text), relative: relative(resolve(folder), resolve(text)) };
  }
  return places;
}

/**
 * The places of a run, with those that are said to be elsewhere now; the same object where none is.
 */
export async function movedPlaces(
  folder: string,
  run: Pick<RunRecord, "places" | "model" | "data" | "validation">,
  now: Pick<ResumeChanges, "model" | "train" | "val" | "valData">,
): Promise<Places | undefined> {
  const { model, data, validation, places } = run;
  const given: readonly (readonly [string | undefined, string | undefined])[] = [
    [model.given, now.model],
    [data.spec, now.train],
    [validation?.protocol, now.val],
    [validation?.data, now.valData],
  ];
  const moved: Record<string, Place> = {};
  for (const [text, path] of given) {
    const place = path === undefined ? undefined : (await placesOf(folder, [path]))[path];
    if (text !== undefined && place !== undefined) moved[text] = place;
  }
  return Object.keys(moved).length === 0 ? places : { ...places, ...moved };
}

/** The files that a quality measure names. */
export async function measureFiles(spec: string): Promise<string[]> {
  const files: string[] = [];
  await mapMeasureFiles(spec, async (path) => {
    files.push(path);
    return path;
  });
  return files;
}

/**
 * Everywhere that something of a run may be: where it was, the same way from the run's folder, as
 * given from the current folder.
 */
export function placesFor(folder: string, places: Places | undefined, text: string): string[] {
  const place = places !== undefined && Object.hasOwn(places, text) ? places[text] : undefined;
  // A model's name, synthetic people, or a run of an older version.
  if (place === undefined) return [text];
  const paths = [place.absolute, resolve(folder, place.relative), resolve(text)];
  return [...new Set(paths)].map((path) => (path === resolve(text) ? text : path));
}

/** The first of {@link placesFor} that exists, else the text itself. */
export async function placeNow(folder: string, places: Places | undefined, text: string): Promise<string> {
  for (const path of placesFor(folder, places, text)) if (await exists(path)) return path;
  return text;
}

/** Whether there is something at a path. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
