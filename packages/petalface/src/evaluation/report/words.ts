import type { Comparison, Difference } from "../compare.ts";
import { measureLabel } from "../condition.ts";
import { percent } from "../table.ts";
import type { EvaluationResult, Measure } from "../types.ts";

/** A model against the baseline. */
export interface NamedComparison {
  /** Name of the model. */
  readonly name: string;
  /** Name of the baseline. */
  readonly against: string;
  /** Model minus baseline, as `compareResults(baseline, model)` gives it. */
  readonly comparison: Comparison;
}

/** Below this a difference is called one. */
export const significance = 0.05;

/** +1 where the model is better by more than chance, -1 where it is worse, else 0. An equal error rate is better lower. */
export function verdict(difference: Difference): -1 | 0 | 1 {
  if (difference.p >= significance || difference.value === 0) return 0;
  return difference.value > 0 === (difference.kind !== "eer") ? 1 : -1;
}

/** `+25.30`, `-0.10`, `0.00`, in percentage points. */
export function points(share: number): string {
  const text = percent(share);
  return Number.isNaN(share) || text.startsWith("-") || Number(text) === 0 ? text.replace("-", "\u2212") : `+${text}`;
}

/** `p = 0.031`; with `\u2264` where the number of resamples allows nothing smaller. */
export function pText(p: number, resamples: number): string {
  const least = 2 / (resamples + 1);
  if (p <= least * 1.000001) return `p \u2264 ${least.toPrecision(1)}`;
  return `p = ${p >= 0.1 ? p.toFixed(2) : p.toPrecision(2)}`;
}

const interval = (d: Difference): string => `95 % interval ${points(d.low)} to ${points(d.high)}`;

const describe = (d: Difference): string => {
  const { kind, condition } = d;
  const how = { sharp: "sharp faces", lr: "two ", mixed: "sharp against " }[condition.kind];
  const faces =
    condition.kind === "sharp" ? how : `${how}${condition.pixels} px${condition.kind === "lr" ? " faces" : ""}`;
  if (kind === "rank1")
    return condition.kind === "sharp" ? "rank-1 of sharp faces" : `rank-1 of ${condition.pixels} px faces`;
  return kind === "accuracy" ? `accuracy on ${faces}` : measureLabel(d);
};

/**
 * What was gained and what was lost, in a sentence or two: the largest significant gain among accuracy and rank-1, what became of
 * sharp accuracy, and whether anything got worse.
 */
export function headline(
  { name, against, comparison }: NamedComparison,
  baseline: EvaluationResult,
  model: EvaluationResult,
): string {
  const value = (result: EvaluationResult, key: string): string =>
    percent(result.measures.find((measure: Measure) => measure.key === key)?.value ?? Number.NaN);
  const main = comparison.differences.filter(({ kind }) => kind === "accuracy" || kind === "rank1");
  const gains = main.filter((d) => verdict(d) === 1 && d.kind === "accuracy" && d.condition.kind !== "sharp");
  const gain = gains.toSorted((a, b) => b.value - a.value)[0] ?? main.find((d) => verdict(d) === 1);
  const losses = main.filter((d) => verdict(d) === -1);
  const sharp = main.find((d) => d.key === "accuracy/sharp");
  const first =
    gain === undefined
      ? `${name} improves nothing beyond chance over ${against}.`
      : `${name} raises ${describe(gain)} from ${value(baseline, gain.key)} % to ${value(model, gain.key)} % (${points(gain.value)} points, ${interval(gain)}).`;
  const sharpWords =
    sharp === undefined || verdict(sharp) !== 0
      ? ""
      : sharp.value === 0
        ? ` Sharp faces stay at ${value(model, sharp.key)} %.`
        : ` Sharp faces change by ${points(sharp.value)} points, within chance (${interval(sharp)}).`;
  const lossWords =
    losses.length === 0
      ? ""
      : ` It costs ${losses.map((d) => `${describe(d)} ${points(d.value)} points (${interval(d)})`).join("; ")}.`;
  return first + sharpWords + lossWords;
}
