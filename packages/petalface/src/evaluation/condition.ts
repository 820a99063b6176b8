import type { Condition, Measure, MeasureKind } from "./types.ts";

/** A short unique spelling: `sharp`, `lr:16`, `mixed:16`. */
export function conditionKey(condition: Condition): string {
  return condition.kind === "sharp" ? "sharp" : `${condition.kind}:${shortDegradation(condition.degradation)}`;
}

/** `lr:16` as `16`; every other degradation as it is spelled. */
function shortDegradation(degradation: string): string {
  return degradation.replace(/^lr:/, "");
}

/** For people: `lr:16` as `16 px`; every other degradation as it is spelled. */
export function degradationLabel(degradation: string): string {
  return degradation.replace(/^lr:(\d+)$/, "$1 px");
}

/** The spelling of {@link Measure.key}. */
export function measureKey(kind: MeasureKind, condition: Condition, far?: number): string {
  return `${far === undefined ? kind : `${kind}@${far}`}/${conditionKey(condition)}`;
}

/** For people: `HR`, `LR 16`, `mixed 16`. */
export function conditionLabel(condition: Condition): string {
  if (condition.kind === "sharp") return "HR";
  return `${condition.kind === "lr" ? "LR" : "mixed"} ${shortDegradation(condition.degradation)}`;
}

/** For people: `accuracy mixed 16`, `TAR@1% HR`, `rank-1 16`. */
export function measureLabel(measure: Pick<Measure, "kind" | "condition" | "far">): string {
  const { kind, condition, far } = measure;
  if (kind === "rank1")
    return condition.kind === "sharp" ? "rank-1 HR" : `rank-1 ${shortDegradation(condition.degradation)}`;
  const names = { accuracy: "accuracy", auc: "AUC", eer: "EER", tar: `TAR@${farLabel(far ?? 0)}` } as const;
  return `${names[kind]} ${conditionLabel(condition)}`;
}

/** `0.001` as `0.1%`. */
export function farLabel(far: number): string {
  return `${Number((far * 100).toPrecision(6))}%`;
}

/** The condition alone, where a heading says what is measured: `HR`, `mixed 16`, and `16 px` for a rank-1 probe. */
export function rowLabel({ kind, condition }: Pick<Measure, "kind" | "condition">): string {
  return kind === "rank1" && condition.kind !== "sharp"
    ? degradationLabel(condition.degradation)
    : conditionLabel(condition);
}
