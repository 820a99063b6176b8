import { PetalfaceError } from "../../errors.ts";
import {
  compareMethods,
  correctForMany,
  type Difference,
  type EvaluationResult,
  type Measure,
  meanResult,
  measureLabel,
} from "../../evaluation/index.ts";
import { type RunRecord, readRun } from "../../training/index.ts";
import { groupRuns, type Method } from "./methods.ts";
import { type FoundResult, loadResults } from "./results.ts";

/** What to rank, and by what. */
export interface LeaderboardOptions {
  /** Runs that were evaluated, folders of results, or result files. */
  readonly results: readonly string[];
  /**
   * The measure that ranks, as tables or JSON name it: `accuracy mixed 16`, `rank1/mixed:16`; see
   * {@link leaderboard}.
   */
  readonly measure?: string | undefined;
  /** Resamples of the bootstrap over people; as in the results unless given. */
  readonly resamples?: number | undefined;
  /** Seed of the bootstrap. */
  readonly seed?: number | undefined;
  /** Whether runs that differ in their training seed alone are one method; true unless given. */
  readonly seeds?: boolean | undefined;
}

/** A method on a leaderboard. */
export interface LeaderboardEntry extends Method {
  /** The mean of its runs. */
  readonly result: EvaluationResult;
  /** The measure that ranks. */
  readonly value: Measure;
  /**
   * This method minus the first one; undefined for the first. P values are corrected for the table
   * (Holm).
   */
  readonly behind: Difference | undefined;
  /**
   * Folder and record of its first run; of a frozen model those of the run that it was measured
   * with. Undefined where the result is not from a run.
   */
  readonly run: { readonly folder: string; readonly record: RunRecord } | undefined;
  /** Whether it is a frozen model. */
  readonly frozen: boolean;
}

/** Methods that were measured on the same pairs and faces, the best first. */
export interface LeaderboardTable {
  readonly protocol: string;
  readonly data: string;
  /** Name of the measure that ranks. */
  readonly measure: string;
  readonly entries: readonly LeaderboardEntry[];
}

type Source = FoundResult & Pick<LeaderboardEntry, "frozen"> & { readonly source: LeaderboardEntry["run"] };

/** Adapted results, each with the run that it is from. */
const adaptedOf = (places: readonly string[]): Promise<Source[]> =>
  loadResults(places, true).then((found) =>
    Promise.all(found.map(async (each) => ({ ...each, frozen: false, source: await sourceOf(each.run) }))),
  );

async function sourceOf(folder: string | undefined): Promise<LeaderboardEntry["run"]> {
  if (folder === undefined) return undefined;
  const record = await readRun(folder).catch(() => undefined);
  return record && { folder, record };
}

/** Frozen results next to the adapted ones of runs, one for each model and protocol. */
async function frozenOf(places: readonly string[]): Promise<Source[]> {
  const found = new Map<string, Source>();
  for (const place of places) {
    const source = await sourceOf(place);
    const [frozen] = source === undefined ? [] : await loadResults([place]).catch(() => []);
    if (source === undefined || frozen === undefined) continue;
    const { name, sha256 } = source.record.model;
    const key = `${sha256} ${groundOf(frozen.result)}`;
    if (!found.has(key)) found.set(key, { ...frozen, name: `${name}, frozen`, frozen: true, source });
  }
  return [...found.values()];
}

/** What makes results comparable. */
const groundOf = ({ protocol, data }: EvaluationResult): string => `${protocol.fingerprint} ${data.fingerprint}`;

/**
 * A result under a low resolution says more than one of sharp faces, where all methods are near 100
 * %.
 */
function usualMeasure(measures: readonly Measure[]): Measure | undefined {
  const degraded = measures.filter(({ condition }) => condition.kind !== "sharp");
  return (
    degraded.find(({ kind, condition }) => kind === "accuracy" && condition.kind === "mixed") ??
    degraded.find(({ kind }) => kind === "rank1") ??
    degraded[0] ??
    measures[0]
  );
}

function chooseMeasure(results: readonly EvaluationResult[], wanted: string | undefined): Measure {
  const [first, ...others] = results;
  const common = (first?.measures ?? []).filter(({ key }) =>
    others.every(({ measures }) => measures.some((each) => each.key === key)),
  );
  const found =
    wanted === undefined
      ? usualMeasure(common)
      : common.find((measure) => measure.key === wanted || measureLabel(measure) === wanted);
  if (found !== undefined) return found;
  const names = common.map(measureLabel).join(", ");
  throw new PetalfaceError(
    wanted === undefined ? "PETAL_RESULT_MISMATCH" : "PETAL_OPTION_INVALID",
    wanted === undefined || names === ""
      ? `the results on ${first?.protocol.name} have no measure in common; measure them with the same 'degrade'`
      : `'measure' is one of ${names}; not ${wanted}`,
  );
}

async function tableOf(found: readonly Source[], options: LeaderboardOptions): Promise<LeaderboardTable> {
  const methods = await groupRuns(found, options.seeds ?? true);
  const means = methods.map((method) => ({ ...method, result: meanResult(method.runs) }));
  const chosen = chooseMeasure(
    means.map(({ result }) => result),
    options.measure,
  );
  const direction = chosen.kind === "eer" ? 1 : -1;
  const entries = means.map((method) => {
    const value = method.result.measures.find(({ key }) => key === chosen.key) ?? chosen;
    const from = found.find(({ path }) => path === method.places[0]);
    return { ...method, value, run: from?.source, frozen: from?.frozen ?? false };
  });
  const ranked = entries.toSorted((a, b) => direction * (a.value.value - b.value.value));
  const [best, ...others] = ranked;
  if (best === undefined) throw new PetalfaceError("PETAL_ARGUMENT_INVALID", "there is no result to rank");
  const { resamples, seed } = options;
  const settings = { ...(resamples !== undefined && { resamples }), ...(seed !== undefined && { seed }) };
  const comparisons = correctForMany(
    others.map(({ runs }) => {
      const { differences, ...comparison } = compareMethods(best.runs, runs, settings);
      return { ...comparison, differences: differences.filter(({ key }) => key === chosen.key) };
    }),
  );
  return {
    protocol: best.result.protocol.name,
    data: best.result.data.spec,
    measure: measureLabel(chosen),
    entries: ranked.map((entry, place) => ({ ...entry, behind: comparisons[place - 1]?.differences[0] })),
  };
}

/**
 * Ranks evaluated runs, a table for each protocol and set of faces: `petalface leaderboard`. The
 * frozen models that the runs are made of are ranked with them. Unless `measure` names another, the
 * first accuracy of mixed pairs ranks, or else rank-1 of degraded probes. Each method is compared
 * with the first on the same resamples of people.
 *
 * @throws PetalfaceError where a place holds no results, or results of one protocol have no measure
 * in common
 */
export async function leaderboard(options: LeaderboardOptions): Promise<LeaderboardTable[]> {
  const { results } = options;
  if (results.length === 0)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give at least one evaluated run, or a result");
  const found = [...(await adaptedOf(results)), ...(await frozenOf(results))];
  const grounds = new Map<string, Source[]>();
  for (const each of found) {
    const ground = groundOf(each.result);
    grounds.set(ground, [...(grounds.get(ground) ?? []), each]);
  }
  return await Promise.all([...grounds.values()].map((each) => tableOf(each, options)));
}
