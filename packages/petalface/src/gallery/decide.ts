import type { Candidate } from "./candidate.ts";
import { thresholdAt } from "./thresholds.ts";
import type { ThresholdTable } from "./types.ts";

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
  const threshold = thresholdAt(rules.thresholds, alpha)?.cosine ?? null;
  const say = (decision: Decision["decision"], reason: Decision["reason"]): Decision => ({
    decision,
    reason,
    nearest,
    threshold,
  });
  if (alpha < rules.lowestAlpha || threshold === null)
    return say("unusable", "its quality is below what the wanted rate needs");
  if (first === undefined) return say("unknown", "no person is enrolled");
  if (!(first.cosine > threshold)) return say("unknown", "below threshold");
  if (second !== undefined && first.cosine - second.cosine < rules.margin)
    return say("unknown", "too close to the second person");
  return say("match", null);
}
