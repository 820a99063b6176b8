import { PetalfaceError } from "../errors.ts";
import { bootstrap, estimate, pValue } from "./bootstrap.ts";
import { mcNemar } from "./mcnemar.ts";
import { outcomeOf } from "./outcomes.ts";
import { type OperatingChoice, prepareStatistics } from "./statistics.ts";
import { identicalShare } from "./summary.ts";
import type { BootstrapSummary, Condition, Estimate, EvaluationResult, Identical, Measure } from "./types.ts";
import { judge, kFoldAccuracy, rankPairs } from "./verification.ts";

/** `b - a` of one measure, on the same resamples of people. */
export interface Difference extends Estimate {
  readonly key: string;
  readonly kind: Measure["kind"];
  readonly condition: Measure["condition"];
  readonly far?: number;
  readonly rank?: number;
  readonly fpir?: number;
  /** Two-sided, from the bootstrap of the difference. */
  readonly p: number;
  /**
   * Only of accuracy and rank-1: McNemar's exact test over single verdicts, which takes them for independent. A cross check; under
   * `mixed` every pair gives two verdicts and the value is too small.
   */
  readonly mcNemar?: number;
}

/** How two models differ on one protocol. */
export interface Comparison {
  readonly protocol: string;
  readonly bootstrap: BootstrapSummary;
  readonly differences: readonly Difference[];
  /** How much of the sharp embeddings the two models share bit for bit. */
  readonly identical: Identical;
}

/**
 * Paired differences `b - a` for every measure that both results have. Each resample of people is applied to both models, so what is
 * hard for both cancels. Identical outcomes give exactly zero and p = 1.
 *
 * @param options resamples and seed; those of `a` if left out.
 * @throws PetalfaceError if the two were not measured on the same pairs.
 */
export function compareResults(
  a: EvaluationResult,
  b: EvaluationResult,
  options: Partial<BootstrapSummary> = {},
): Comparison {
  if (a.protocol.fingerprint !== b.protocol.fingerprint)
    throw new PetalfaceError(
      `the results come from different pairs (${a.protocol.name} and ${b.protocol.name}); measure both on the same protocol`,
    );
  const settings = { resamples: options.resamples ?? a.bootstrap.resamples, seed: options.seed ?? a.bootstrap.seed };
  const choice = choiceOf(a);
  const left = prepareStatistics(a.detail, a.protocol.folds, choice);
  const right = prepareStatistics(b.detail, b.protocol.folds, choice);
  const places = new Map(right.names.map((name, index) => [name.key, index]));
  const common = left.names.flatMap((name, index) => {
    const other = places.get(name.key);
    return other === undefined ? [] : [{ name, index, other }];
  });
  const rows = bootstrap(a.protocol.people, settings, (multiplicities) => {
    const before = left.compute(multiplicities);
    const after = right.compute(multiplicities);
    return common.map(({ index, other }) => (after[other] as number) - (before[index] as number));
  });
  return {
    protocol: a.protocol.name,
    bootstrap: settings,
    identical: identicalShare(a.detail, b.detail),
    differences: common.map(({ name: { key, kind, condition, far, rank, fpir } }, index) => {
      const row = rows[index] as Float64Array;
      const exact = exactTest(a, b, kind, condition);
      return {
        key,
        kind,
        condition,
        ...(far === undefined ? {} : { far }),
        ...(rank === undefined ? {} : { rank }),
        ...(fpir === undefined ? {} : { fpir }),
        ...estimate(row),
        p: pValue(row),
        ...(exact === undefined ? {} : { mcNemar: exact }),
      };
    }),
  };
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
