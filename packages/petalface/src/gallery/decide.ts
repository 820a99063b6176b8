import { type FalseAcceptRate, falseAcceptRateAt } from "../matching/index.ts";
import type { Candidate } from "./candidate.ts";
import { thresholdAt } from "./thresholds.ts";
import type { MeasuredRates, ThresholdTable } from "./types.ts";

/** The answer for a face. */
export interface Decision {
  readonly decision: "match" | "unknown" | "unusable";
  /** Why it is not a match; null for one. */
  readonly reason:
    | "no face was found"
    | "it cannot be read"
    | "its quality is below what the wanted rate needs"
    | "no person is enrolled"
    | "below threshold"
    | "too close to the second person"
    | null;
  /** The nearest person and the cosine; null without a comparison. */
  readonly nearest: Candidate | null;
  /** What the cosine has to exceed; null where there is no such cosine. */
  readonly threshold: number | null;
  /**
   * How sure it is: which share of strangers would be accepted, if faces of this quality were
   * accepted from this cosine on. Null where nothing has measured it.
   */
  readonly falseAcceptRate: FalseAcceptRate | null;
}

/** How often each answer was given. */
export type DecisionCounts = Readonly<Record<Decision["decision"], number>>;

/** Counts answers. */
export function countDecisions(answers: readonly Pick<Decision, "decision">[]): DecisionCounts {
  const count = (kind: Decision["decision"]): number => answers.filter(({ decision }) => decision === kind).length;
  return { match: count("match"), unknown: count("unknown"), unusable: count("unusable") };
}

/** How {@link decide} decides. */
export interface DecisionRules {
  readonly thresholds: ThresholdTable;
  /** By how much the nearest person must be nearer than the second; 0: by anything. */
  readonly margin: number;
  /** Faces of lower quality are unusable. */
  readonly lowestAlpha: number;
  /** How many people are compared with. */
  readonly people: number;
  /** Whether low-resolution copies are enrolled, which change the cosines of poor faces. */
  readonly hasCopies: boolean;
}

/**
 * Who a face is, or that it is unknown: a match needs a cosine above the threshold of its quality,
 * and a distance to the second person.
 *
 * @param candidates nearest first
 */
export function decide(alpha: number, candidates: readonly Candidate[], rules: DecisionRules): Decision {
  const [first, second] = candidates;
  const nearest = first ?? null;
  const row = thresholdAt(rules.thresholds, alpha);
  const threshold = row?.cosine ?? null;
  const rates = nearest === null ? undefined : row?.rates;
  const falseAcceptRate = rates === undefined || nearest === null ? null : rateOf(rates, alpha, nearest.cosine, rules);
  const say = (decision: Decision["decision"], reason: Decision["reason"]): Decision => ({
    decision,
    reason,
    nearest,
    threshold,
    falseAcceptRate,
  });
  if (alpha < rules.lowestAlpha || threshold === null)
    return say("unusable", "its quality is below what the wanted rate needs");
  if (first === undefined) return say("unknown", "no person is enrolled");
  if (!(first.cosine > threshold)) return say("unknown", "below threshold");
  if (second !== undefined && first.cosine - second.cosine < rules.margin)
    return say("unknown", "too close to the second person");
  return say("match", null);
}

/**
 * The share of searches for strangers that reach a cosine. Where it was measured on comparisons of
 * two faces, a search makes one with each person: 1 - (1 - rate)^people, as if they were
 * independent (ISO/IEC 19795-1). Those were made without copies, so they say nothing of poor faces
 * in a gallery with copies.
 */
function rateOf(
  { of, curves }: MeasuredRates,
  alpha: number,
  cosine: number,
  { people, hasCopies }: DecisionRules,
): FalseAcceptRate | null {
  if (of === "comparisons" && hasCopies && alpha < 1) return null;
  const [highest] = curves
    .map((curve) => falseAcceptRateAt(curve, cosine))
    .sort((one, other) => Number(one.below) - Number(other.below) || other.rate - one.rate);
  if (highest === undefined || of === "searches") return highest ?? null;
  // 1 - (1 - share)^people, exact also for small shares.
  const inSearch = (share: number): number => (share >= 1 ? 1 : -Math.expm1(people * Math.log1p(-share)));
  const [low, high] = highest.interval;
  return { ...highest, rate: inSearch(highest.rate), interval: [inSearch(low), inSearch(high)] };
}
