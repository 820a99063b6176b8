import { allowedImpostors } from "../../matching/index.ts";
import { measureKey } from "../results/condition.ts";
import type {
  EvaluationDetail,
  IdentificationOutcome,
  Measure,
  MeasureKind,
  Unresolved,
  VerificationOutcome,
} from "../results/types.ts";
import { type Multiplicities, weighPairs } from "./bootstrap.ts";
import { judge, kFoldAccuracy, operatingPoints, rankPairs } from "./verification.ts";

/** A measure before it has numbers. */
export type MeasureName = Omit<Measure, "value" | "low" | "high" | "standardError">;

/** Which operating points are measured. */
export interface OperatingChoice {
  /** False accept rates of verification. */
  readonly fars: readonly number[];
  /** Depths of identification; 1 is `rank1`. */
  readonly ranks: readonly number[];
  /** False positive identification rates, each at these depths. */
  readonly fpirs: readonly number[];
  readonly fpirRanks: readonly number[];
}

/** All measures of one result, ready to be computed on any resample of its people. */
export interface Statistics {
  readonly names: readonly MeasureName[];
  readonly unresolved: readonly Unresolved[];
  /** Values in the order of `names`. */
  readonly compute: (multiplicities: Multiplicities) => number[];
}

type Part = (multiplicities: Multiplicities, out: number[]) => void;
type Point = Partial<Pick<MeasureName, "far" | "rank" | "fpir" | "support">>;

/**
 * Prepares every measure of the stored outcomes. A false accept rate that would let through less
 * than one impostor comparison cannot be measured; it is listed as unresolved and has no measure.
 * Likewise a false positive identification rate.
 */
export function prepareStatistics(detail: EvaluationDetail, folds: number, choice: OperatingChoice): Statistics {
  const names: MeasureName[] = [];
  const unresolved: Unresolved[] = [];
  const parts: Part[] = [];
  for (const outcome of detail.outcomes) {
    const { condition } = outcome;
    const add = (kind: MeasureKind, count: number, at: Point = {}): void => {
      names.push({ key: measureKey(kind, condition, at), kind, condition, ...at, count });
    };
    const unmeasurable = (far: number, impostors: number): void => {
      unresolved.push({ far, condition, impostors });
    };
    parts.push(
      outcome.kind === "verification"
        ? verificationPart(outcome, folds, choice.fars, add, unmeasurable)
        : identificationPart(outcome, choice, add, unmeasurable),
    );
  }
  return {
    names,
    unresolved,
    compute: (multiplicities) => {
      const out: number[] = [];
      for (const part of parts) part(multiplicities, out);
      return out;
    },
  };
}

type Add = (kind: MeasureKind, count: number, at?: Point) => void;
type Unmeasurable = (far: number, impostors: number) => void;

/**
 * Accuracy keeps the thresholds that the folds gave on the whole sample: at the best threshold a
 * small shift changes accuracy only to second order, while thresholds chosen again on a resample,
 * with its repeated pairs, are noisier than real ones and pull the whole interval down (by up to
 * 0.4 points on 1,800 LFW pairs). TAR and EER move their threshold, which is what defines them.
 */
function verificationPart(
  outcome: VerificationOutcome,
  folds: number,
  fars: readonly number[],
  add: Add,
  unmeasurable: Unmeasurable,
): Part {
  const { fold, same, weight } = outcome;
  const ranked = rankPairs({ ...outcome, fold: fold ?? new Int32Array(same.length) });
  const total = (kind: number): number =>
    Math.round(same.reduce((sum, flag, i) => sum + (flag === kind ? (weight?.[i] ?? 1) : 0), 0));
  const impostors = total(0);
  const count = impostors + total(1);
  const measurable = fars.filter((far) => allowedImpostors(far, impostors) >= 1);
  for (const far of fars) if (!measurable.includes(far)) unmeasurable(far, impostors);
  if (fold !== undefined) add("accuracy", count);
  add("auc", count);
  add("eer", count);
  for (const far of measurable) add("tar", count, { far, support: allowedImpostors(far, impostors) });

  const weights = new Float64Array(same.length).fill(1);
  const right = fold === undefined ? undefined : judge(ranked, kFoldAccuracy(ranked, weights, folds).thresholds);
  return (multiplicities, out) => {
    weighPairs(ranked, multiplicities, weights);
    const { auc, eer, tar } = operatingPoints(ranked, weights, measurable);
    if (right !== undefined) out.push(weightedShare(right, weights));
    out.push(auc, eer, ...tar);
  };
}

/**
 * Ranks and scores stay those against the whole gallery; a resample draws the people of the probes.
 * Probes without a mate take no part in ranks, as everywhere in the field.
 */
function identificationPart(
  outcome: IdentificationOutcome,
  { ranks, fpirs, fpirRanks }: OperatingChoice,
  add: Add,
  unmeasurable: Unmeasurable,
): Part {
  const { rank, mate, other, person } = outcome;
  const probes = Int32Array.from(rank.keys());
  const mated = probes.filter((probe) => rank[probe] > 0);
  const strangers = probes.filter((probe) => rank[probe] === 0).sort((a, b) => other[b] - other[a] || a - b);
  if (mated.length === 0) return () => {};
  for (const k of ranks) {
    if (k === 1) add("rank1", mated.length);
    else add("rank", mated.length, { rank: k });
  }
  const measurable = strangers.length === 0 ? [] : fpirs.filter((f) => allowedImpostors(f, strangers.length) >= 1);
  if (strangers.length > 0) for (const f of fpirs) if (!measurable.includes(f)) unmeasurable(f, strangers.length);
  for (const fpir of measurable)
    for (const k of fpirRanks)
      add("tpir", mated.length, { fpir, rank: k, support: allowedImpostors(fpir, strangers.length) });

  return (multiplicities, out) => {
    const times = (probe: number): number => multiplicities[person[probe]];
    const total = mated.reduce((sum, probe) => sum + times(probe), 0);
    const share = (found: (probe: number) => boolean): number => {
      let kept = 0;
      for (const probe of mated) if (found(probe)) kept += times(probe);
      return total > 0 ? kept / total : Number.NaN;
    };
    for (const k of ranks) out.push(share((probe) => rank[probe] <= k));
    const weight = strangers.reduce((sum, probe) => sum + times(probe), 0);
    for (const fpir of measurable) {
      const threshold = firstRefused(strangers, other, times, fpir * weight * (1 + 1e-12));
      for (const k of fpirRanks)
        out.push(weight > 0 ? share((probe) => rank[probe] <= k && mate[probe] > threshold) : Number.NaN);
    }
  };
}

/**
 * The score of the first stranger, from the highest down, who may raise no alarm any more;
 * everything above it may.
 */
export function firstRefused(
  strangers: Int32Array,
  other: Float32Array,
  times: (probe: number) => number,
  allowed: number,
): number {
  let admitted = 0;
  for (const probe of strangers) {
    admitted += times(probe);
    if (admitted > allowed) return other[probe];
  }
  return Number.NEGATIVE_INFINITY;
}

/** Share of the weight where `right` is 1; NaN without weight. */
function weightedShare(right: Uint8Array, weights: ArrayLike<number>): number {
  let kept = 0;
  let total = 0;
  for (let i = 0; i < right.length; i++) {
    const weight = weights[i];
    total += weight;
    if (right[i] === 1) kept += weight;
  }
  return total > 0 ? kept / total : Number.NaN;
}
