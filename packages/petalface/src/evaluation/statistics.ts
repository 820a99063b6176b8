import { type Multiplicities, weighPairs } from "./bootstrap.ts";
import { measureKey } from "./condition.ts";
import type { Condition, EvaluationDetail, Measure, MeasureKind, Unresolved } from "./types.ts";
import {
  judge,
  kFoldAccuracy,
  operatingPoints,
  type RankedPairs,
  rankPairs,
  type ScoredPairs,
} from "./verification.ts";

/** A measure before it has numbers. */
export type MeasureName = Pick<Measure, "key" | "kind" | "condition" | "far" | "support" | "count">;

/** All measures of one result, ready to be computed on any resample of its people. */
export interface Statistics {
  readonly names: readonly MeasureName[];
  readonly unresolved: readonly Unresolved[];
  /** Values in the order of `names`. */
  readonly compute: (multiplicities: Multiplicities) => number[];
}

/**
 * The comparisons of a condition. Under `mixed` every pair counts twice, once for each side being the degraded one.
 */
export function scoredPairs(detail: EvaluationDetail, scores: Float32Array): ScoredPairs {
  const { same, fold, first, second } = detail;
  if (scores.length === same.length) return { scores, same, fold, first, second };
  const twice = <T extends Uint8Array | Int32Array>(a: T): T => {
    const out = new (a.constructor as new (length: number) => T)(2 * a.length);
    out.set(a);
    out.set(a, a.length);
    return out;
  };
  return { scores, same: twice(same), fold: twice(fold), first: twice(first), second: twice(second) };
}

/**
 * Prepares every measure of the stored outcomes. A false accept rate that would let through less than one impostor comparison
 * cannot be measured; it is listed as unresolved and has no measure.
 */
export function prepareStatistics(detail: EvaluationDetail, folds: number, fars: readonly number[]): Statistics {
  const names: MeasureName[] = [];
  const unresolved: Unresolved[] = [];
  const parts: ((multiplicities: Multiplicities, out: number[]) => void)[] = [];
  const add = (kind: MeasureKind, condition: Condition, count: number): void => {
    names.push({ key: measureKey(kind, condition), kind, condition, count });
  };

  for (const { condition, scores } of detail.scores) {
    const ranked = rankPairs(scoredPairs(detail, scores));
    const count = ranked.scores.length;
    const impostors = ranked.same.reduce((sum, flag) => sum + 1 - flag, 0);
    const measurable = fars.filter((far) => allowedImpostors(far, impostors) >= 1);
    for (const far of fars) if (!measurable.includes(far)) unresolved.push({ far, condition, impostors });
    add("accuracy", condition, count);
    add("auc", condition, count);
    add("eer", condition, count);
    for (const far of measurable)
      names.push({
        key: measureKey("tar", condition, far),
        kind: "tar",
        condition,
        far,
        support: allowedImpostors(far, impostors),
        count,
      });
    parts.push(verificationPart(ranked, folds, measurable));
  }
  for (const { condition, hits } of detail.hits) {
    add("rank1", condition, hits.length);
    const weights = new Int32Array(hits.length);
    parts.push((multiplicities, out) => {
      for (let probe = 0; probe < weights.length; probe++)
        weights[probe] = multiplicities[detail.probePerson[probe] as number] as number;
      out.push(weightedShare(hits, weights));
    });
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

/** How many of `impostors` comparisons a false accept rate lets through. */
function allowedImpostors(far: number, impostors: number): number {
  return Math.floor(far * impostors * (1 + 1e-12));
}

/**
 * Accuracy keeps the thresholds that the folds gave on the whole sample: at the best threshold a small shift changes accuracy
 * only to second order, while thresholds chosen anew on a resample, with its repeated pairs, are noisier than real ones and pull
 * the whole interval down (by up to 0.4 points on 1,800 LFW pairs). TAR and EER move their threshold, which is what defines them.
 */
function verificationPart(ranked: RankedPairs, folds: number, fars: readonly number[]) {
  const weights = new Float64Array(ranked.scores.length).fill(1);
  const right = judge(ranked, kFoldAccuracy(ranked, weights, folds).thresholds);
  return (multiplicities: Multiplicities, out: number[]): void => {
    weighPairs(ranked, multiplicities, weights);
    const { auc, eer, tar } = operatingPoints(ranked, weights, fars);
    out.push(weightedShare(right, weights), auc, eer, ...tar);
  };
}

/** Share of the weight where `right` is 1; NaN without weight. */
function weightedShare(right: Uint8Array, weights: ArrayLike<number>): number {
  let kept = 0;
  let total = 0;
  for (let i = 0; i < right.length; i++) {
    const weight = weights[i] as number;
    total += weight;
    if (right[i] === 1) kept += weight;
  }
  return total > 0 ? kept / total : Number.NaN;
}
