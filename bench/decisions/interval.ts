import type { Interval } from "../skeleton/intervals.ts";
import { drawer } from "../skeleton/statistics.ts";

const resamples = 200;

/**
 * Estimates with their 95 % percentile intervals from a bootstrap over people.
 *
 * @param groups of each person what the measure needs
 * @param measure several values of the same people
 */
export function withIntervals<T>(
  groups: readonly T[],
  measure: (chosen: readonly T[]) => readonly number[],
): Interval[] {
  const draw = drawer(groups.length);
  const drawn = Array.from({ length: resamples }, () =>
    measure(groups.map(() => groups[Math.floor(draw() * groups.length)])),
  );
  return measure(groups).map((value, at) => {
    const values = drawn.map((own) => own[at]).filter((own) => !Number.isNaN(own));
    values.sort((a, b) => a - b);
    const quantile = (share: number): number =>
      values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
    return { value, low: quantile(0.025), high: quantile(0.975) };
  });
}

/** The same for one value. */
export const withInterval = <T>(groups: readonly T[], measure: (chosen: readonly T[]) => number): Interval =>
  withIntervals(groups, (chosen) => [measure(chosen)])[0];
