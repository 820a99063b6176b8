import { itemAt } from "onnx-grad";
import { outcomeOf } from "./outcomes.ts";
import type { Condition, EvaluationResult } from "./types.ts";

/** A comparison that a model finds hard. */
export interface HardPair {
  /** Indices into the result's items, and how each was shown; null is sharp. */
  readonly first: number;
  readonly second: number;
  readonly firstDegradation: string | null;
  readonly secondDegradation: string | null;
  readonly score: number;
  /** Its place in the outcome's list. */
  readonly place: number;
}

/**
 * The genuine comparisons with the lowest scores and the impostors with the highest; each pair of
 * items, and each person, once.
 */
export function hardestPairs(
  { detail }: EvaluationResult,
  condition: Condition,
  count: number,
): { readonly genuine: readonly HardPair[]; readonly impostor: readonly HardPair[] } {
  const outcome = outcomeOf(detail, "verification", condition);
  if (outcome === undefined) return { genuine: [], impostor: [] };
  const { scores, same, first, second, firstItem, secondItem } = outcome;
  const degradation = "degradation" in condition ? condition.degradation : null;
  const pick = (kind: number, sign: 1 | -1): HardPair[] => {
    const order = Int32Array.from(scores.keys())
      .filter((i) => same[i] === kind)
      .sort((a, b) => sign * (itemAt(scores, a) - itemAt(scores, b)) || a - b);
    const seen = new Set<number>();
    const found: HardPair[] = [];
    for (const i of order) {
      const people = [itemAt(first, i), itemAt(second, i)];
      if (found.length === count) break;
      if (people.some((person) => seen.has(person))) continue;
      for (const person of people) seen.add(person);
      // Under mixed the first half of the list has the second face degraded, the second half the
      // first.
      const firstSharp = condition.kind === "mixed" && i < scores.length / 2;
      const secondSharp = condition.kind === "mixed" && !firstSharp;
      found.push({
        first: itemAt(firstItem, i),
        second: itemAt(secondItem, i),
        firstDegradation: firstSharp ? null : degradation,
        secondDegradation: secondSharp ? null : degradation,
        score: itemAt(scores, i),
        place: i,
      });
    }
    return found;
  };
  return { genuine: pick(1, 1), impostor: pick(0, -1) };
}
