import { drawer } from "../skeleton/statistics.ts";

const resamples = 200;

/**
 * An estimate with its 95 % percentile interval from a bootstrap over people.
 *
 * @param groups of each person what the measure needs
 */
export function withInterval<T>(
  groups: readonly T[],
  measure: (chosen: readonly T[]) => number,
): { readonly value: number; readonly low: number; readonly high: number } {
  const draw = drawer(groups.length);
  const values = Array.from({ length: resamples }, () =>
    measure(groups.map(() => groups[Math.floor(draw() * groups.length)])),
  )
    .filter((value) => !Number.isNaN(value))
    .sort((a, b) => a - b);
  const at = (share: number): number =>
    values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;
  return { value: measure(groups), low: at(0.025), high: at(0.975) };
}

/** In per cent: `67.1 [62.5, 71.5]`. */
export const percent = ({ value, low, high }: ReturnType<typeof withInterval>): string =>
  `${(100 * value).toFixed(1)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
