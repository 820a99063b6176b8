import { conditionKey } from "./condition.ts";
import type { Condition, EvaluationDetail, Outcome } from "./types.ts";

/** The outcome of this kind under a condition, where there is one. */
export function outcomeOf<K extends Outcome["kind"]>(
  detail: EvaluationDetail,
  kind: K,
  condition: Condition,
): Extract<Outcome, { readonly kind: K }> | undefined {
  const key = conditionKey(condition);
  return outcomesOf(detail, kind).find((outcome) => conditionKey(outcome.condition) === key);
}

/** All outcomes of this kind, in their order. */
export function outcomesOf<K extends Outcome["kind"]>(
  detail: EvaluationDetail,
  kind: K,
): Extract<Outcome, { readonly kind: K }>[] {
  return detail.outcomes.filter((outcome): outcome is Extract<Outcome, { readonly kind: K }> => outcome.kind === kind);
}
