import type { Identification } from "./identify.ts";

/** Share of the probes with a mate whose mate ranks at most `k`th; NaN without such probes. */
export function cmc(rank: ArrayLike<number>, k: number): number {
  let mated = 0;
  let found = 0;
  for (let probe = 0; probe < rank.length; probe++) {
    const place = rank[probe];
    if (place < 1) continue;
    mated++;
    if (place <= k) found++;
  }
  return mated > 0 ? found / mated : Number.NaN;
}

/** A watch list's operating point. */
export interface OpenSetPoint {
  /** The false positive identification rate that was allowed. */
  readonly fpir: number;
  /**
   * Share of the probes with a mate that rank high enough and score above the threshold; NaN
   * without probes of either kind.
   */
  readonly tpir: number;
  /**
   * Candidates above this score (under `strict` also those at it) raise an alarm; -Infinity where
   * all do.
   */
  readonly threshold: number;
  /** How many probes without a mate may raise an alarm. */
  readonly allowed: number;
}

/** How to judge an open set. */
export interface OpenSetOptions {
  /** How far down the mate may stand; 1 unless given. */
  readonly rank?: number;
  /**
   * Puts the threshold at the last stranger that the rate lets through (or just above all) and
   * accepts from it on, as the field's published evaluators do, instead of just above the first
   * that it does not. Never accepts more.
   */
  readonly strict?: boolean;
}

/** What those evaluators add to the highest stranger's score where none may pass. */
const strictMargin = 1e-5;

/**
 * Open-set identification: at the lowest threshold where no larger share than `fpir` of the probes
 * without a mate raises an alarm (has any gallery face above it), the share of the probes with a
 * mate that are found (NIST's definition, ISO/IEC 19795-1).
 */
export function openSet(
  { mate, other, rank: ranks }: Pick<Identification, "mate" | "other" | "rank">,
  fpirs: readonly number[],
  { rank = 1, strict = false }: OpenSetOptions = {},
): readonly OpenSetPoint[] {
  const strangers = other.filter((_, probe) => ranks[probe] === 0).sort();
  const found = mate.filter((_, probe) => ranks[probe] >= 1 && ranks[probe] <= rank);
  const mated = ranks.reduce((sum, place) => sum + (place >= 1 ? 1 : 0), 0);
  return fpirs.map((fpir) => {
    const count = strangers.length;
    const allowed = Math.floor(fpir * count * (1 + 1e-12));
    if (mated === 0 || count === 0) return { fpir, tpir: Number.NaN, threshold: Number.NaN, allowed };
    const firstRefused = allowed >= count ? Number.NEGATIVE_INFINITY : strangers[count - 1 - allowed];
    const lastAdmitted = allowed === 0 ? firstRefused + strictMargin : strangers[Math.max(0, count - allowed)];
    const threshold = strict ? lastAdmitted : firstRefused;
    const accepted = found.reduce((sum, score) => sum + ((strict ? score >= threshold : score > threshold) ? 1 : 0), 0);
    return { fpir, tpir: accepted / mated, threshold, allowed };
  });
}
