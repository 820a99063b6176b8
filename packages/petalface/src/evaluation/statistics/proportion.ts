/** The 0.975 quantile of the standard normal distribution. */
const z = 1.959963984540054;

/**
 * The 95 % interval of a share by Wilson's score (E. B. Wilson, JASA 1927). It is right also for
 * few cases and for shares near 0 and 1.
 *
 * @param hits from 0 to `cases`
 * @param cases independent ones, at least 1
 * @returns [lower, upper], from 0 to 1
 */
export function shareInterval(hits: number, cases: number): readonly [number, number] {
  const share = hits / cases;
  const scale = 1 + z ** 2 / cases;
  const middle = (share + z ** 2 / (2 * cases)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / cases + (z / (2 * cases)) ** 2);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}
