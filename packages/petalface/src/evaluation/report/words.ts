import { conditionLabel, degradationLabel, measureTitle } from "../results/condition.ts";
import { givenFaces } from "../results/legend.ts";
import { percent } from "../results/percent.ts";
import type { EvaluationResult } from "../results/types.ts";
import type { Comparison, Difference } from "../statistics/compare.ts";
import { fewestPeople, significance, tooFew } from "../statistics/significance.ts";

/** A model against the baseline. */
export interface NamedComparison {
  /** Name of the model. */
  readonly name: string;
  /** Name of the baseline. */
  readonly against: string;
  /** Model minus baseline, as `compareResults(baseline, model)` gives it. */
  readonly comparison: Comparison;
}

/**
 * +1 where the model is better by more than chance (p corrected for the number of tests), -1 where
 * it is worse, else 0. An equal error rate is better lower. Fewer than {@link fewestPeople} people
 * carry no verdict.
 */
export function verdict(difference: Pick<Difference, "corrected" | "value" | "kind" | "people">): -1 | 0 | 1 {
  if (difference.people < fewestPeople) return 0;
  if (!(difference.corrected < significance) || difference.value === 0) return 0;
  return difference.value > 0 === (difference.kind !== "eer") ? 1 : -1;
}

/**
 * What a comparison comes to, in two words; and how many people it would take where the sample is
 * too small to say.
 */
export function verdictWords(difference: Difference): string {
  if (difference.low === 0 && difference.high === 0) return "the same";
  if (difference.people < fewestPeople) return tooFew;
  const sign = verdict(difference);
  if (sign !== 0) return sign > 0 ? "better" : "worse";
  return "no significant difference";
}

/** `+25.30`, `-0.10`, `0.00`, in percentage points. */
export function points(share: number): string {
  const text = percent(share);
  if (Number.isNaN(share) || Number(text) === 0) return text;
  return text.startsWith("-") ? text.replace("-", "\u2212") : `+${text}`;
}

/** `p = 0.031`, `p < 0.001`. */
export function pText(p: number): string {
  if (p < 0.001) return "p < 0.001";
  return `p = ${p >= 0.1 ? p.toFixed(2) : p.toPrecision(p < 0.01 ? 1 : 2)}`;
}

const interval = (d: Difference): string => `95 % interval ${points(d.low)} to ${points(d.high)}`;

/** A difference in words; `given` is what faces are called that nothing was done to. */
const describe = ({ kind, condition, rank, far, fpir }: Difference, given: string): string => {
  if (kind !== "accuracy" && kind !== "rank1" && kind !== "rank")
    return `${measureTitle({ kind, ...(far !== undefined && { far }), ...(rank !== undefined && { rank }), ...(fpir !== undefined && { fpir }) })} of ${conditionLabel(condition)}`;
  if (condition.kind === "named")
    return `${measureTitle({ kind, ...(rank !== undefined && { rank }) })} of ${condition.name}`;
  if (kind === "rank1" || kind === "rank") {
    const title = kind === "rank1" ? "rank-1" : `rank-${rank}`;
    return condition.kind === "sharp"
      ? `${title} of ${given}`
      : `${title} of ${degradationLabel(condition.degradation)} faces`;
  }
  if (condition.kind === "sharp") return `accuracy on ${given}`;
  return condition.kind === "lr"
    ? `accuracy on pairs of ${degradationLabel(condition.degradation)} faces`
    : `accuracy on ${given} against ${degradationLabel(condition.degradation)} ones`;
};

/**
 * The differences that a report opens with, whatever came of them: choosing the largest gains would
 * flatter. Faces as given against the middle one of the measured resolutions, rank-1 at it, and
 * faces as given; of other protocols the first measures of each kind.
 */
export function subjectOf({ differences }: Comparison, given: string): (Difference & { readonly title: string })[] {
  const mixed = differences
    .filter(({ key }) => key.startsWith("accuracy/mixed:"))
    .toSorted((a, b) => pixelsOf(b) - pixelsOf(a));
  const middle = mixed[Math.floor(mixed.length / 2)];
  const keys =
    middle === undefined
      ? ["accuracy/sharp", "rank1/sharp"]
      : [middle.key, middle.key.replace("accuracy/", "rank1/"), "accuracy/sharp"];
  const chosen = keys.flatMap((key) => differences.find((difference) => difference.key === key) ?? []);
  const plain =
    chosen.length > 0 ? chosen : differences.filter(({ kind }) => kind !== "auc" && kind !== "eer").slice(0, 3);
  return plain.map((difference) => ({ ...difference, title: describe(difference, given) }));
}

/**
 * What was gained and what was lost. The first sentence is about faces as given against the middle
 * one of the measured resolutions, whatever came of it: choosing the largest gain would flatter.
 * Then faces as given, then all other accuracies and rank-1 by count, losses by name.
 */
export function headline(
  { name, against, comparison }: NamedComparison,
  baseline: EvaluationResult,
  model: EvaluationResult,
): { readonly lead: string; readonly rest: string } {
  const value = (result: EvaluationResult, key: string): string =>
    percent(result.measures.find((measure) => measure.key === key)?.value ?? Number.NaN);
  const main = comparison.differences.filter(({ kind }) => kind === "accuracy" || kind === "rank1" || kind === "tpir");
  const given = givenFaces(baseline);
  const lead = subjectOf(comparison, given).find(({ key }) => key !== "accuracy/sharp");
  const sharp = main.find(({ key }) => key === "accuracy/sharp");
  const few = comparison.people < fewestPeople;
  const sentences: string[] = few ? [`${fewPeople(comparison.people)}.`] : [];
  const others: string[] = [];
  if (lead !== undefined) {
    const change = `from ${value(baseline, lead.key)} % to ${value(model, lead.key)} % (${points(lead.value)} points, ${interval(lead)})`;
    const verb = { 1: "raises", [-1]: "lowers", 0: "makes no significant difference to" }[verdict(lead)];
    sentences.push(
      few
        ? `With ${name}, ${describe(lead, given)} goes ${change}.`
        : `${name} ${verb} ${describe(lead, given)}${verdict(lead) === 0 ? ":" : ""} ${change}.`,
    );
  }
  if (sharp !== undefined && verdict(sharp) !== -1)
    sentences.push(
      sharp.value === 0 && sharp.low === 0 && sharp.high === 0
        ? `${capital(given)} stay at ${value(model, sharp.key)} %.`
        : `${capital(given)} go from ${value(baseline, sharp.key)} % to ${value(model, sharp.key)} %${verdict(sharp) === 0 ? `, ${few ? interval(sharp) : `within chance (${interval(sharp)})`}` : ""}.`,
    );
  if (few) return { lead: sentences.join(" "), rest: "" };
  const rest = main.filter((d) => d.key !== lead?.key && d !== sharp);
  const better = rest.filter((d) => verdict(d) === 1).length;
  const losses = main.filter((d) => d.key !== lead?.key && verdict(d) === -1);
  if (lead !== undefined && verdict(lead) === 0 && lead.value !== 0) others.push(enough(lead, comparison));
  if (rest.length > 0)
    others.push(
      `${better} of the other ${rest.length} ${rest.some(({ kind }) => kind === "tpir") ? "" : "accuracy and rank-1 "}measures are better than ${against} beyond chance.`,
    );
  if (losses.length > 0)
    others.push(
      `Worse: ${losses.map((d) => `${describe(d, given)} ${points(d.value)} points (${interval(d)})`).join("; ")}.`,
    );
  else if (lead === undefined || verdict(lead) !== -1) others.push("None is worse.");
  return { lead: sentences.join(" "), rest: others.join(" ") };
}

/** For the beginning of a sentence. */
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Says that so few people carry no verdict; without a full stop. */
const fewPeople = (people: number): string =>
  `Too few people to tell what is chance: ${people.toLocaleString("en")} where at least ${fewestPeople} are needed`;

/** How many people it would take to see a difference that this sample does not show. */
export function enough({ peopleNeeded }: Difference, { people, runs }: Comparison): string {
  if (peopleNeeded === null)
    return Math.max(...runs) > 1
      ? "More people alone would not show it: the runs differ among themselves by as much."
      : "No number of people would show it.";
  return `To see a difference of this size four times in five, it would take about ${roughly(peopleNeeded)} people; there are ${people.toLocaleString("en")}.`;
}

/** A count to two digits. */
export const roughly = (count: number): string => Number(count.toPrecision(2)).toLocaleString("en");

const pixelsOf = ({ condition }: Difference): number =>
  "degradation" in condition ? Number(/^lr:(\d+)$/.exec(condition.degradation)?.[1] ?? 0) : 0;
