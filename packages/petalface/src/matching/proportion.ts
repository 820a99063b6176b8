/** The 0.975 quantile of the standard normal distribution. */
const z = 1.959963984540054;

/**
 * The 95 % interval of a share by Wilson's score (E. B. Wilson, JASA 1927). It is right also for
 * few cases and for shares near 0 and 1.
 *
 * @param hits from 0 to `cases`; both may have a fraction
 * @param cases independent ones, more than 0
 * @returns [lower, upper], from 0 to 1
 */
export function shareInterval(hits: number, cases: number): readonly [number, number] {
  const share = hits / cases;
  const scale = 1 + z ** 2 / cases;
  const middle = (share + z ** 2 / (2 * cases)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / cases + (z / (2 * cases)) ** 2);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** Hits and cases of one person. */
export interface PersonCount {
  readonly hits: number;
  readonly cases: number;
}

/**
 * The same where people have several cases each, which are not independent: as many cases count as
 * would give the variance of the share over people (Kish's design effect, never below 1). Where no
 * case or every case is a hit, each person counts once.
 *
 * @param people each with at least one case
 */
export function shareIntervalOfPeople(people: readonly PersonCount[]): readonly [number, number] {
  const [hits, cases] = people.reduce(([h, c], one) => [h + one.hits, c + one.cases], [0, 0]);
  const share = hits / cases;
  const alone = cases * share * (1 - share);
  const together = people.reduce((sum, one) => sum + (one.hits - share * one.cases) ** 2, 0);
  const effective = alone === 0 ? people.length : cases / Math.max(1, together / alone);
  return shareInterval(share * effective, effective);
}
