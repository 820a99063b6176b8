import { drawer } from "../skeleton/statistics.ts";

const resamples = 200;

/** An estimate with its 95 % interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Estimates with their 95 % percentile intervals from a bootstrap over people.
 *
 * @param groups of each person what the measure needs
 * @param measure several values of the same people
 */
export function withIntervals<T>(
  groups: readonly T[],
  measure: (chosen: readonly T[]) => readonly number[],
): Estimate[] {
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
export const withInterval = <T>(groups: readonly T[], measure: (chosen: readonly T[]) => number): Estimate =>
  withIntervals(groups, (chosen) => [measure(chosen)])[0];

/** In per cent: `67.1 [62.5, 71.5]`. */
export const percent = ({ value, low, high }: Estimate): string =>
  `${(100 * value).toFixed(1)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
