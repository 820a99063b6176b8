import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import { type EvaluationResult, loadEvaluation, saveEvaluation } from "../../evaluation/index.ts";
import { printArgument } from "../../print-path.ts";
import { sourceCommit, versions } from "../../versions.ts";
import type { BothResults } from "./measure-models.ts";

/** Where `evaluate` puts its results within a run. */
export const evaluationFolder = "evaluation";

/** File of one model's result within a folder of results. */
export const resultFile = (name: "frozen" | "adapted"): string => `${name}.json`;

/**
 * Saves what was measured of a frozen model and of the adapted one into a folder, and how it was
 * made.
 *
 * @param protocol as it was given
 */
export async function saveResults(folder: string, { frozen, adapted }: BothResults, protocol: string): Promise<void> {
  const [{ petalface = "" }, commit] = await Promise.all([versions(), sourceCommit()]);
  const made = { protocol, petalface, ...(commit !== undefined && { commit }) };
  await saveEvaluation(join(folder, resultFile("frozen")), { ...frozen, made });
  if (adapted) await saveEvaluation(join(folder, resultFile("adapted")), { ...adapted, made });
}

/**
 * Where an evaluation puts results and report. Without `out` that is the run that the adapter is
 * from, and nowhere for an adapter without one. A folder `out` gets a report only with `views`.
 */
export async function evaluationPlaces(given: {
  readonly out?: string | undefined;
  readonly report?: string | undefined;
  readonly adapter?: string | undefined;
  readonly views?: number | undefined;
}): Promise<{ readonly out: string | undefined; readonly report: string | undefined }> {
  const { out, adapter, views } = given;
  const run =
    out === undefined && adapter !== undefined && (await exists(join(adapter, "run.json"))) ? adapter : undefined;
  const own = run !== undefined ? run : views === undefined ? undefined : out;
  const report = given.report ?? (own === undefined ? undefined : join(own, "report.html"));
  if (views !== undefined && report === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'views' adds to the report; name it with 'report', 'out' or a run as 'adapter'",
    );
  return { out: out ?? (run === undefined ? undefined : join(run, evaluationFolder)), report };
}

/** A result and what to call it in a table. */
export interface FoundResult {
  readonly name: string;
  readonly path: string;
  readonly result: EvaluationResult;
  /** The folder of the run that the adapted model is from. */
  readonly run?: string;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * The result files that an argument of `compare` means: a file, or those of a run or a folder of
 * results, frozen first.
 */
async function findFiles(place: string): Promise<{ frozen?: string; adapted?: string; file?: string }> {
  const entry = await stat(place).catch(() => undefined);
  if (entry?.isFile()) return { file: place };
  if (entry === undefined)
    throw new PetalfaceError(
      "PETAL_RESULT_INVALID",
      `${place} does not exist; give runs, or results of \`petalface evaluate\``,
    );
  for (const folder of [join(place, evaluationFolder), place]) {
    const [frozen, adapted] = [join(folder, resultFile("frozen")), join(folder, resultFile("adapted"))];
    const [hasFrozen, hasAdapted] = await Promise.all([exists(frozen), exists(adapted)]);
    if (hasFrozen || hasAdapted) return { ...(hasFrozen && { frozen }), ...(hasAdapted && { adapted }) };
  }
  throw new PetalfaceError(
    "PETAL_RESULT_INVALID",
    `${place} holds no results: run \`petalface evaluate 'adapter' ${printArgument(place)} ...\` first`,
  );
}

/**
 * Loads what `compare` is to compare. One run alone is its frozen model against its adapted one; of
 * several, each one's adapted model (or whatever it has). Throws PetalfaceError.
 *
 * @param several whether there are others to compare with
 */
export async function loadResults(places: readonly string[], several = places.length > 1): Promise<FoundResult[]> {
  const load = async (name: string, path: string, run?: string): Promise<FoundResult> => ({
    name,
    path,
    result: await loadEvaluation(path),
    ...(run !== undefined && { run }),
  });
  if (!several) {
    const place = itemAt(places, 0);
    const { frozen, adapted } = await findFiles(place);
    if (frozen === undefined || adapted === undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `${place} is one result only: give a second one to compare it with`,
      );
    return Promise.all([load("frozen", frozen), load(basename(resolve(place)), adapted)]);
  }
  return Promise.all(
    places.map(async (place) => {
      const { frozen, adapted, file } = await findFiles(place);
      const name = basename(resolve(place)).replace(/\.json$/, "");
      return adapted === undefined ? load(name, file ?? (frozen as string)) : load(name, adapted, place);
    }),
  );
}
