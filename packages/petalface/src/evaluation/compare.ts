import { PetalfaceError } from "../errors.ts";
import { bootstrap, estimate, pValue } from "./bootstrap.ts";
import { conditionKey } from "./condition.ts";
import { mcNemar } from "./mcnemar.ts";
import { identicalShare } from "./measure.ts";
import { prepareStatistics, scoredPairs } from "./statistics.ts";
import type { BootstrapSummary, Estimate, EvaluationResult, Identical, Measure } from "./types.ts";
import { judge, kFoldAccuracy, rankPairs } from "./verification.ts";

/** `b - a` of one measure, on the same resamples of people. */
export interface Difference extends Estimate {
  readonly key: string;
  readonly kind: Measure["kind"];
  readonly condition: Measure["condition"];
  readonly far?: number;
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
  const fars = [...new Set(a.measures.flatMap(({ far }) => (far === undefined ? [] : [far])))];
  const [left, right] = [a, b].map((result) => prepareStatistics(result.detail, result.protocol.folds, fars)) as [
    ReturnType<typeof prepareStatistics>,
    ReturnType<typeof prepareStatistics>,
  ];
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
    differences: common.map(({ name: { key, kind, condition, far } }, index) => {
      const row = rows[index] as Float64Array;
      const exact = exactTest(a, b, kind, conditionKey(condition));
      return {
        key,
        kind,
        condition,
        ...(far === undefined ? {} : { far }),
        ...estimate(row),
        p: pValue(row),
        ...(exact === undefined ? {} : { mcNemar: exact }),
      };
    }),
  };
}

function exactTest(
  a: EvaluationResult,
  b: EvaluationResult,
  kind: Measure["kind"],
  condition: string,
): number | undefined {
  if (kind === "rank1") {
    const [x, y] = [a, b].map(
      (result) => result.detail.hits.find((entry) => conditionKey(entry.condition) === condition)?.hits,
    );
    return x === undefined || y === undefined ? undefined : mcNemar(x, y);
  }
  if (kind !== "accuracy") return undefined;
  const [x, y] = [a, b].map((result) => verdicts(result, condition));
  return x === undefined || y === undefined ? undefined : mcNemar(x, y);
}

/** Which comparisons of a condition are judged right, in their stored order. */
function verdicts({ detail, protocol }: EvaluationResult, condition: string): Uint8Array | undefined {
  const scores = detail.scores.find((entry) => conditionKey(entry.condition) === condition)?.scores;
  if (scores === undefined) return undefined;
  const pairs = scoredPairs(detail, scores);
  const { thresholds } = kFoldAccuracy(rankPairs(pairs), new Float64Array(scores.length).fill(1), protocol.folds);
  return judge(pairs, thresholds);
}
