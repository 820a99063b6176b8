import { itemAt } from "onnx-grad";
import { type EvaluationResult, prepareStatistics } from "petalface/evaluation";
import { bootstrap, type Estimate, estimate, pValue } from "petalface/portable";
import { testPixels } from "../faces/plan.ts";
import type { JobResult } from "../faces/run.ts";

/** One finished training, or the frozen model. */
export interface Cell {
  readonly measure: string;
  readonly seed: number;
  readonly done: JobResult;
  /** The same on synthetic people, once measured. */
  readonly synthetic?: EvaluationResult | undefined;
}

/** The measure that stays unless another is surely better: it is cheap and needs nothing. */
export const incumbent = "sharpness";

/** What is averaged: both sides low-resolution, and one. */
const judged = testPixels.flatMap((pixels) => [`accuracy/lr:${pixels}`, `accuracy/mixed:${pixels}`]);
const sharp = "accuracy/sharp";

/** How one measure's trainings compare with the incumbent's. */
export interface Standing {
  readonly measure: string;
  /** Mean accuracy over the low-resolution and mixed rows of both sets, over the seeds. */
  readonly mean: number;
  /** Its difference from the incumbent's, paired by seed and by resample of people. */
  readonly difference: Estimate;
  /** Two-sided, times the number of measures that were tried. */
  readonly p: number;
  /** The difference seed by seed. */
  readonly seeds: readonly number[];
  /** Difference of sharp pairs. */
  readonly sharp: Estimate;
}

/** The rule, in words. */
export const rule = `Rule: the mean of the LR and mixed rows (${testPixels.join(", ")} px), photos and synthetic people counted alike, decides.
Differences from ${incumbent} are paired by seed and taken on the same resamples of people (bootstrap, mean over the seeds
in each resample; 95 %). Another measure wins if it is ahead in every seed, p of the difference is below 0.05 after
Bonferroni's correction for the measures tried, and its interval for sharp pairs does not lie below 0; the highest mean
of those. Else ${incumbent} stays.`;

/**
 * Standings of all measures on the seeds that all of them have finished, and who wins by the
 * {@link rule}. Undefined while the incumbent or everybody else is missing.
 */
export function verdict(
  cells: readonly Cell[],
): { readonly seeds: readonly number[]; readonly standings: readonly Standing[]; readonly winner: string } | undefined {
  const whole = cells.filter((cell) => cell.synthetic !== undefined && cell.measure !== "frozen");
  const names = [...new Set(whole.map(({ measure }) => measure))];
  const find = (measure: string, seed: number): Cell | undefined =>
    whole.find((cell) => cell.measure === measure && cell.seed === seed);
  const seeds = [...new Set(whole.map(({ seed }) => seed))].filter((seed) =>
    names.every((name) => find(name, seed) !== undefined),
  );
  if (!names.includes(incumbent) || names.length < 2 || seeds.length === 0) return undefined;
  const chosen = names.map((name) => seeds.flatMap((seed) => find(name, seed) ?? []));
  const sets = [
    resample(chosen.map((own) => own.map(({ done }) => done.result))),
    resample(chosen.map((own) => own.flatMap(({ synthetic }) => synthetic ?? []))),
  ];
  /** Row of a measure and seed: the mean of both sets. */
  const row = (part: keyof Rows, measure: number, seed: number): Float64Array =>
    average(sets.map((rows) => rows[part][measure]?.[seed] ?? new Float64Array()));
  const place = names.indexOf(incumbent);
  const overSeeds = (part: keyof Rows, measure: number): Float64Array =>
    average(seeds.map((_, seed) => subtract(row(part, measure, seed), row(part, place, seed))));
  const standings = names.map((measure, at): Standing => {
    const difference = overSeeds("judged", at);
    const each = seeds.map((_, seed) => itemAt(subtract(row("judged", at, seed), row("judged", place, seed)), 0));
    return {
      measure,
      mean: itemAt(average(seeds.map((_, seed) => row("judged", at, seed))), 0),
      difference: estimate(difference),
      p: Math.min(1, pValue(difference) * (names.length - 1)),
      seeds: each,
      sharp: estimate(overSeeds("sharp", at)),
    };
  });
  const better = standings.filter(
    ({ p, seeds: each, sharp: kept }) => p < 0.05 && each.every((value) => value > 0) && kept.high >= 0,
  );
  const [first] = better.sort((a, b) => b.mean - a.mean);
  return { seeds, standings, winner: first?.measure ?? incumbent };
}

/** By measure and seed: the value on the sample, then on each resample of its people. */
interface Rows {
  readonly judged: readonly Float64Array[][];
  readonly sharp: readonly Float64Array[][];
}

/** The same resamples of people for every measure and seed on one set. */
function resample(results: readonly (readonly EvaluationResult[])[]): Rows {
  const first = results[0]?.[0];
  const none = { fars: [], ranks: [], fpirs: [], fpirRanks: [] };
  const prepared = results.flat().map(({ detail, protocol }) => {
    const { names, compute } = prepareStatistics(detail, protocol.folds, none);
    const at = (key: string): number => names.findIndex((name) => name.key === key);
    return { compute, judged: judged.map(at), sharp: at(sharp) };
  });
  const rows = bootstrap(first.protocol.people, first.bootstrap, (multiplicities) =>
    prepared.flatMap((each) => {
      const values = each.compute(multiplicities);
      const sum = each.judged.reduce((total, at) => total + itemAt(values, at), 0);
      return [sum / each.judged.length, itemAt(values, each.sharp)];
    }),
  );
  const cut = (part: number): Float64Array[][] => {
    let next = 0;
    return results.map((own) => own.map(() => rows[2 * next++ + part]));
  };
  return { judged: cut(0), sharp: cut(1) };
}

const subtract = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value - itemAt(b, i));

function average(rows: readonly Float64Array[]): Float64Array {
  return rows[0].map((_, i) => rows.reduce((sum, values) => sum + itemAt(values, i), 0) / rows.length);
}
