/** How far apart the cosines of one person's pairs and those of two people's are. */
export interface Separation {
  /** Mean cosine of two pictures of one person. */
  readonly samePerson: number;
  /** Mean cosine of pictures of two people. */
  readonly others: number;
  /** d': their difference in units of their mean spread; higher is better. */
  readonly distance: number;
}

/**
 * Number, sum and sum of squares of cosines, for each pair of people (`a * people + b`, a <= b).
 */
export interface PairSums {
  readonly people: number;
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly squares: Float64Array;
}

/**
 * Sums of the cosines of all pairs of embeddings, by the people that they show.
 *
 * @param rows embeddings, `persons.length x width`, row-major, of any length
 * @param persons the person that each shows, numbered from 0
 */
export function separationsOf(rows: Float32Array, width: number, persons: readonly number[]): PairSums {
  const people = 1 + persons.reduce((most, person) => Math.max(most, person), -1);
  const square = (): Float64Array => new Float64Array(people * people);
  const [counts, sums, squares] = [square(), square(), square()];
  const units = persons.map((_, at) => {
    const row = rows.subarray(at * width, (at + 1) * width);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    return row.map((value) => value / length);
  });
  for (const [first, a] of units.entries())
    for (let second = first + 1; second < units.length; second++) {
      const b = units[second];
      let cosine = 0;
      for (let i = 0; i < width; i++) cosine += a[i] * b[i];
      // A face without an embedding (a length of 0, or no number) is in no pair.
      if (!Number.isFinite(cosine)) continue;
      const [p, q] = [persons[first], persons[second]];
      const at = Math.min(p, q) * people + Math.max(p, q);
      counts[at] += 1;
      sums[at] += cosine;
      squares[at] += cosine * cosine;
    }
  return { people, counts, sums, squares };
}

/**
 * The separation of people, each counted as often as `weights` says (all once unless given), so
 * that it can be resampled over people. Pairs of a person drawn twice with themselves are not pairs
 * of two people and stay out.
 */
export function separationOf({ people, counts, sums, squares }: PairSums, weights?: Float64Array): Separation {
  const same = [0, 0, 0];
  const others = [0, 0, 0];
  for (let a = 0; a < people; a++)
    for (let b = a; b < people; b++) {
      const times = a === b ? (weights?.[a] ?? 1) : (weights?.[a] ?? 1) * (weights?.[b] ?? 1);
      if (times === 0) continue;
      const into = a === b ? same : others;
      const at = a * people + b;
      for (const [i, values] of [counts, sums, squares].entries()) into[i] += times * values[at];
    }
  const moments = ([count = 0, sum = 0, square = 0]: readonly number[]) => ({
    mean: sum / count,
    variance: Math.max(0, square / count - (sum / count) ** 2),
  });
  const [near, far] = [moments(same), moments(others)];
  const spread = Math.sqrt((near.variance + far.variance) / 2);
  const distance = (near.mean - far.mean) / Math.max(spread, 1e-9);
  return { samePerson: near.mean, others: far.mean, distance: Number.isFinite(distance) ? distance : 0 };
}
