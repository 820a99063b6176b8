import { type Multiplicities, weighPairs } from "./bootstrap.ts";
import { measureKey } from "./condition.ts";
import type { Condition, EvaluationDetail, Measure, MeasureKind, Unresolved } from "./types.ts";
import { kFoldAccuracy, operatingPoints, type RankedPairs, rankPairs, type ScoredPairs } from "./verification.ts";

/** A measure before it has numbers. */
export type MeasureName = Pick<Measure, "key" | "kind" | "condition" | "far" | "support" | "count">;

/** All measures of one result, ready to be computed on any resample of its people. */
export interface Statistics {
  readonly names: readonly MeasureName[];
  readonly unresolved: readonly Unresolved[];
  /** Values in the order of `names`; thresholds are chosen anew on every resample. */
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
    parts.push((multiplicities, out) => out.push(weightedShare(hits, detail.probePerson, multiplicities)));
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

function verificationPart(ranked: RankedPairs, folds: number, fars: readonly number[]) {
  const weights = new Float64Array(ranked.scores.length);
  return (multiplicities: Multiplicities, out: number[]): void => {
    weighPairs(ranked, multiplicities, weights);
    const { auc, eer, tar } = operatingPoints(ranked, weights, fars);
    out.push(kFoldAccuracy(ranked, weights, folds).accuracy, auc, eer, ...tar);
  };
}

function weightedShare(hits: Uint8Array, person: Int32Array, multiplicities: Multiplicities): number {
  let right = 0;
  let total = 0;
  for (let probe = 0; probe < hits.length; probe++) {
    const weight = multiplicities[person[probe] as number] as number;
    total += weight;
    if (hits[probe] === 1) right += weight;
  }
  return total > 0 ? right / total : Number.NaN;
}
