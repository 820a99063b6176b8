import { PetalfaceError } from "../../errors.ts";
import { outcomeOf } from "../results/outcomes.ts";
import type { BootstrapSummary, Condition, Estimate, EvaluationResult, Identical, Measure } from "../results/types.ts";
import { bootstrap, estimate, pValue } from "./bootstrap.ts";
import { mcNemar } from "./mcnemar.ts";
import { type OperatingChoice, prepareStatistics } from "./measures.ts";
import { combineErrors, holm, peopleNeeded, seedError, tailP } from "./significance.ts";
import { identicalShare } from "./summary.ts";
import { judge, kFoldAccuracy, rankPairs } from "./verification.ts";

/** `b - a` of one measure, on the same resamples of people. */
export interface Difference extends Estimate {
  readonly key: string;
  readonly kind: Measure["kind"];
  readonly condition: Measure["condition"];
  readonly far?: number;
  readonly rank?: number;
  readonly fpir?: number;
  /**
   * Two-sided: from the bootstrap of the difference; where a method has several runs, from
   * Student's distribution over people and runs.
   */
  readonly p: number;
  /**
   * `p` corrected by Holm's method for all differences of the table; see {@link correctForMany}.
   */
  readonly corrected: number;
  /**
   * How many people it would take to see a difference of this size with a chance of 80 %; null
   * where no number would do.
   */
  readonly peopleNeeded: number | null;
  /** How many people were resampled. */
  readonly people: number;
  /**
   * Only of accuracy and rank-1, and of single runs: McNemar's exact test over single verdicts,
   * which takes them for independent. A cross check; under `mixed` every pair gives two verdicts
   * and the value is too small.
   */
  readonly mcNemar?: number;
}

/** How two methods differ on one protocol. */
export interface Comparison {
  readonly protocol: string;
  readonly people: number;
  /**
   * Whether people are guessed from the pairs; intervals may then be too narrow, and p values too
   * small.
   */
  readonly guessed?: boolean | undefined;
  readonly bootstrap: BootstrapSummary;
  /** How many runs (training seeds) each method has. */
  readonly runs: readonly [number, number];
  readonly differences: readonly Difference[];
  /** How much of the sharp embeddings the first runs share bit for bit. */
  readonly identical: Identical;
}

/**
 * Paired differences `b - a` for every measure that both results have. Each resample of people is
 * applied to both models, so what is hard for both cancels. Identical outcomes give exactly zero
 * and p = 1.
 *
 * @param options resamples and seed; those of `a` if left out.
 * @throws PetalfaceError if the two were not measured on the same pairs.
 */
export function compareResults(
  a: EvaluationResult,
  b: EvaluationResult,
  options: Partial<BootstrapSummary> = {},
): Comparison {
  return compareMethods([a], [b], options);
}

/**
 * As {@link compareResults}, for methods with several runs each that differ in their training seed:
 * the difference is that of the means over runs, and its error has the part of the people and the
 * part of the runs (a random effect). A method with one run adds no part: about its other seeds
 * nothing is known.
 */
export function compareMethods(
  a: readonly EvaluationResult[],
  b: readonly EvaluationResult[],
  options: Partial<BootstrapSummary> = {},
): Comparison {
  const [first, other] = [a[0], b[0]];
  if (first === undefined || other === undefined)
    throw new PetalfaceError("PETAL_ARGUMENT_INVALID", "a method has no run to compare");
  const stranger = [...a, ...b].find(({ protocol }) => protocol.fingerprint !== first.protocol.fingerprint);
  if (stranger !== undefined)
    throw new PetalfaceError(
      "PETAL_RESULT_MISMATCH",
      `the results come from different pairs (${first.protocol.name} and ${stranger.protocol.name}); measure both on the same protocol`,
    );
  const { people, folds } = first.protocol;
  const settings = {
    resamples: options.resamples ?? first.bootstrap.resamples,
    seed: options.seed ?? first.bootstrap.seed,
  };
  const choice = choiceOf(first);
  const prepare = ({ detail }: EvaluationResult) => prepareStatistics(detail, folds, choice);
  const [left, right] = [a.map(prepare), b.map(prepare)];
  const common = (left[0]?.names ?? []).flatMap((name) => {
    const places = [...left, ...right].map(({ names }) => names.findIndex(({ key }) => key === name.key));
    return places.includes(-1) ? [] : [{ name, before: places.slice(0, a.length), after: places.slice(a.length) }];
  });
  const rows = bootstrap(people, settings, (multiplicities) => {
    const before = left.map(({ compute }) => compute(multiplicities));
    const after = right.map(({ compute }) => compute(multiplicities));
    return common.map((entry) => meanAt(after, entry.after) - meanAt(before, entry.before));
  });
  const everyone = new Int32Array(people).fill(1);
  const ofAll = (side: typeof left): number[][] => side.map(({ compute }) => compute(everyone));
  const [valuesA, valuesB] = [ofAll(left), ofAll(right)];
  const differences = common.map(({ name, before, after }, index): Difference => {
    const { key, kind, condition, far, rank, fpir } = name;
    const row = rows[index];
    const single = { ...estimate(row), p: pValue(row) };
    const seeds = [
      seedError(before.map((place, run) => valuesA[run][place])),
      seedError(after.map((place, run) => valuesB[run][place])),
    ];
    const sampled = { standardError: single.standardError, count: people };
    const total = a.length > 1 || b.length > 1 ? { ...single, ...combineErrors(single.value, sampled, seeds) } : single;
    const exact = a.length > 1 || b.length > 1 ? undefined : exactTest(first, other, kind, condition);
    const needed = peopleNeeded(
      single.value,
      sampled,
      seeds.reduce((sum, { variance }) => sum + variance, 0),
    );
    return {
      key,
      kind,
      condition,
      ...(far === undefined ? {} : { far }),
      ...(rank === undefined ? {} : { rank }),
      ...(fpir === undefined ? {} : { fpir }),
      ...total,
      corrected: tailP(total.p, total.value, total.standardError, settings.resamples),
      peopleNeeded: Number.isFinite(needed) ? needed : null,
      people,
      ...(exact === undefined ? {} : { mcNemar: exact }),
    };
  });
  const comparison: Comparison = {
    protocol: first.protocol.name,
    people,
    ...(first.protocol.guessed && { guessed: true }),
    bootstrap: settings,
    runs: [a.length, b.length],
    identical: identicalShare(first.detail, other.detail),
    differences,
  };
  return correctForMany([comparison])[0];
}

const meanAt = (runs: readonly (readonly number[])[], places: readonly number[]): number =>
  runs.reduce((sum, values, run) => sum + values[places[run]], 0) / runs.length;

/**
 * Corrects the p values of comparisons that stand in one table, by Holm's method over all their
 * differences: the chance of calling any difference that is none is at most 5 % for the whole
 * table.
 */
export function correctForMany(comparisons: readonly Comparison[]): Comparison[] {
  const plain = comparisons.flatMap(({ differences, bootstrap: { resamples } }) =>
    differences.map(({ p, value, standardError }) => tailP(p, value, standardError, resamples)),
  );
  const corrected = holm(plain);
  let next = 0;
  return comparisons.map((comparison) => ({
    ...comparison,
    differences: comparison.differences.map((difference) => ({
      ...difference,
      corrected: corrected[next++],
    })),
  }));
}

/** The operating points that a result was measured at. */
export function choiceOf({ measures }: EvaluationResult): OperatingChoice {
  const distinct = (values: readonly (number | undefined)[]): number[] => [
    ...new Set(values.filter((value) => value !== undefined)),
  ];
  const open = measures.filter(({ kind }) => kind === "tpir");
  return {
    fars: distinct(measures.map(({ far }) => far)),
    ranks: distinct(measures.map(({ kind, rank }) => (kind === "rank1" ? 1 : kind === "rank" ? rank : undefined))),
    fpirs: distinct(open.map(({ fpir }) => fpir)),
    fpirRanks: distinct(open.map(({ rank }) => rank)),
  };
}

function exactTest(
  a: EvaluationResult,
  b: EvaluationResult,
  kind: Measure["kind"],
  condition: Condition,
): number | undefined {
  const verdicts = kind === "rank1" ? firstPlaces : kind === "accuracy" ? judgements : undefined;
  const [x, y] = [verdicts?.(a, condition), verdicts?.(b, condition)];
  return x === undefined || y === undefined ? undefined : mcNemar(x, y);
}

/** Which probes are found first under a condition. */
function firstPlaces({ detail }: EvaluationResult, condition: Condition): Uint8Array | undefined {
  const outcome = outcomeOf(detail, "identification", condition);
  return outcome && Uint8Array.from(outcome.rank, (place) => (place === 1 ? 1 : 0));
}

/** Which comparisons of a condition are judged right. */
function judgements({ detail, protocol }: EvaluationResult, condition: Condition): Uint8Array | undefined {
  const outcome = outcomeOf(detail, "verification", condition);
  if (outcome?.fold === undefined) return undefined;
  const pairs = { ...outcome, fold: outcome.fold };
  const { thresholds } = kFoldAccuracy(rankPairs(pairs), new Float64Array(pairs.scores.length).fill(1), protocol.folds);
  return judge(pairs, thresholds);
}
