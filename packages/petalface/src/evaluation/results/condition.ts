import type { Condition, Measure, MeasureKind } from "./types.ts";

/** A short unique spelling: `sharp`, `lr:16`, `mixed:16`, `named:d1`. */
export function conditionKey(condition: Condition): string {
  if (condition.kind === "named") return `named:${condition.name}`;
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

/**
 * Conditions in the order of tables: as given, both degraded, given against degraded, a protocol's
 * own.
 */
export function conditionOrder({ kind }: Condition): number {
  return { sharp: 0, lr: 1, mixed: 2, named: 3 }[kind];
}

/** Ends of names of conditions: enrolled faces have copies, or another model's embeddings. */
const endings = { copies: ", copies", kept: ", gallery kept" } as const;

const ended =
  (ending: string) =>
  (condition: Condition, kind: "verification" | "identification"): Condition => {
    const short = kind === "identification" && condition.kind === "mixed";
    const name = short ? shortDegradation(condition.degradation) : conditionLabel(condition);
    return { kind: "named", name: `${name}${ending}` };
  };

const endsIn =
  (ending: string) =>
  (condition: Condition): boolean =>
    condition.kind === "named" && condition.name.endsWith(ending);

/**
 * The condition of pairs or of a search once enrolled faces have copies: `mixed 16, copies`; of a
 * search `16, copies`.
 */
export const copyCondition = ended(endings.copies);

/** Whether enrolled faces have copies under this condition. */
export const hasCopies = endsIn(endings.copies);

/**
 * The same where enrolled faces keep the embeddings of another model: `mixed 16, gallery kept`.
 */
export const keptCondition = ended(endings.kept);

/** Whether enrolled faces keep another model's embeddings under this condition. */
export const keepsGallery = endsIn(endings.kept);

/** What tells one measure of a condition from another. */
type Name = Pick<Measure, "kind" | "condition" | "far" | "rank" | "fpir">;

/** The spelling of {@link Measure.key}. */
export function measureKey(
  kind: MeasureKind,
  condition: Condition,
  at: Partial<Pick<Measure, "far" | "rank" | "fpir">> = {},
): string {
  const number = at.far ?? at.fpir ?? (kind === "rank" ? at.rank : undefined);
  const depth = kind === "tpir" && (at.rank ?? 1) !== 1 ? `,${at.rank}` : "";
  return `${kind}${number === undefined ? "" : `@${number}`}${depth}/${conditionKey(condition)}`;
}

/** For people: `as given`, `LR 16`, `mixed 16`; {@link legendOf} explains them. */
export function conditionLabel(condition: Condition): string {
  if (condition.kind === "sharp") return "as given";
  if (condition.kind === "named") return condition.name;
  return `${condition.kind === "lr" ? "LR" : "mixed"} ${shortDegradation(condition.degradation)}`;
}

/** For people: `accuracy mixed 16`, `TAR@1% as given`, `rank-1 16`. */
export function measureLabel(measure: Name): string {
  const { kind, condition } = measure;
  const where =
    isRank(kind) && condition.kind !== "named" && condition.kind !== "sharp"
      ? shortDegradation(condition.degradation)
      : conditionLabel(condition);
  return `${measureTitle(measure)} ${where}`;
}

/** Whether a measure is one of searches. */
export const isRank = (kind: MeasureKind): boolean => kind === "rank1" || kind === "rank" || kind === "tpir";

/**
 * A measure without its condition, short: `accuracy`, `TAR@1%`, `rank-5`, `TPIR@1%`, `TPIR20@1%`.
 */
export function measureTitle({ kind, far, rank, fpir }: Omit<Name, "condition">): string {
  const depth = rank === undefined || rank === 1 ? "" : String(rank);
  return {
    accuracy: "accuracy",
    auc: "AUC",
    eer: "EER",
    tar: `TAR@${farLabel(far ?? 0)}`,
    rank1: "rank-1",
    rank: `rank-${rank}`,
    tpir: `TPIR${depth}@${farLabel(fpir ?? 0)}`,
  }[kind];
}

/** `0.001` as `0.1%`. */
export function farLabel(far: number): string {
  return `${Number((far * 100).toPrecision(6))}%`;
}

/**
 * The condition alone, where a heading says what is measured: `as given`, `mixed 16`, and `16 px`
 * for the probe of a search.
 */
export function rowLabel({ kind, condition }: Pick<Measure, "kind" | "condition">): string {
  return isRank(kind) && condition.kind !== "sharp" && condition.kind !== "named"
    ? degradationLabel(condition.degradation)
    : conditionLabel(condition);
}
