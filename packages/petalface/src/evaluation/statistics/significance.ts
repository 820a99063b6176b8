import { normalQuantile, normalTails, studentQuantile, studentTails } from "./distributions.ts";

/** Below this p value, corrected for the number of tests, a difference is called one. */
export const significance = 0.05;

/**
 * With fewer people than this no difference is called one: a bootstrap interval over so few is too
 * narrow. Where nothing changed, a 95 % interval leaves zero out in 17 to 22 of 100 studies of 5
 * people, in 7 to 11 of 20 people, and in 5 to 7 of 100 people (4,000 simulated studies each;
 * normal, heavy-tailed and skewed differences; significance.test.ts).
 */
export const fewestPeople = 20;

/** The verdict on a difference that was measured with fewer than {@link fewestPeople}. */
export const tooFew = "too few people to tell";

/**
 * Holm's step-down correction of p values for the number of tests made together (Scandinavian
 * Journal of Statistics 6, 1979): the chance of calling even one difference that is none stays
 * below the level, however the tests depend on each other.
 *
 * @returns corrected p values in the order given, each at most 1; NaN stays and counts as no test
 */
export function holm(ps: readonly number[]): number[] {
  const order = [...ps.keys()].filter((i) => !Number.isNaN(ps[i])).sort((a, b) => ps[a] - ps[b]);
  const corrected = ps.map(() => Number.NaN);
  let highest = 0;
  order.forEach((index, place) => {
    highest = Math.max(highest, Math.min(1, (order.length - place) * ps[index]));
    corrected[index] = highest;
  });
  return corrected;
}

/** With fewer draws beyond zero than this, their count says little about how rare they are. */
const fewDraws = 5;

/**
 * The p value of a difference for correction. Resamples give none below 2 / (resamples + 1), which
 * no correction of a long table survives, and a coarse one above it: where fewer than five lie
 * beyond zero, the normal tail of value / standard error stands in if it is smaller.
 */
export function tailP(p: number, value: number, standardError: number, resamples: number): number {
  if (p > ((2 * fewDraws) / (resamples + 1)) * (1 + 1e-9) || !(standardError > 0)) return p;
  return Math.min(p, normalTails(value / standardError));
}

/**
 * Standard error of a difference of two methods' means over training seeds, beyond that of the
 * people.
 */
export interface SeedError {
  /**
   * Variance of a method's mean, from the spread of its runs: s^2 / runs. 0 with one run, about
   * which nothing is known.
   */
  readonly variance: number;
  readonly runs: number;
}

/** {@link SeedError} of the values of one method's runs. */
export function seedError(values: readonly number[]): SeedError {
  const runs = values.length;
  if (runs < 2) return { variance: 0, runs };
  const mean = values.reduce((sum, value) => sum + value, 0) / runs;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { variance: squares / (runs - 1) / runs, runs };
}

/** Interval and p value of a difference whose error has several independent parts. */
export interface CombinedError {
  readonly low: number;
  readonly high: number;
  readonly standardError: number;
  readonly p: number;
}

/**
 * Adds the error of training seeds to that of people (crossed random effects: variances add) and
 * takes 95 % of Student's distribution with Satterthwaite's degrees of freedom (Biometrics Bulletin
 * 2, 1946). Without people's part this is Welch's t test of the runs.
 *
 * @param people standard error of the difference from resampling people, and how many people there
 * are
 */
export function combineErrors(
  value: number,
  people: { readonly standardError: number; readonly count: number },
  seeds: readonly SeedError[],
): CombinedError {
  const parts = [
    { variance: people.standardError ** 2, df: people.count - 1 },
    ...seeds.map(({ variance, runs }) => ({ variance, df: runs - 1 })),
  ].filter(({ variance }) => variance > 0);
  const variance = parts.reduce((sum, part) => sum + part.variance, 0);
  if (variance === 0) return { low: value, high: value, standardError: 0, p: value === 0 ? 1 : 0 };
  const df = variance ** 2 / parts.reduce((sum, part) => sum + part.variance ** 2 / part.df, 0);
  const standardError = Math.sqrt(variance);
  const half = studentQuantile(0.975, df) * standardError;
  return { low: value - half, high: value + half, standardError, p: studentTails(value / standardError, df) };
}

/**
 * How many people it would take to see a difference of this size: with probability 0.8, at the
 * two-sided level 0.05 (the usual formula for a mean, ((1.960 + 0.842) standard error /
 * difference)^2 times the people there are; Lachin, Controlled Clinical Trials 2, 1981). The error
 * that comes from training seeds does not shrink with people: Infinity where it alone hides the
 * difference.
 *
 * @param people standard error from resampling people, and their number
 * @param seedVariance what the seeds add to the variance
 */
export function peopleNeeded(
  value: number,
  people: { readonly standardError: number; readonly count: number },
  seedVariance = 0,
): number {
  if (value === 0 || !Number.isFinite(value)) return Number.POSITIVE_INFINITY;
  const tolerated = (value / (normalQuantile(0.975) + normalQuantile(0.8))) ** 2 - seedVariance;
  return tolerated <= 0 ? Number.POSITIVE_INFINITY : Math.ceil((people.count * people.standardError ** 2) / tolerated);
}
