import { random } from "../../random.ts";

/** How {@link searchCube} proceeds. */
export interface SearchOptions {
  readonly dimensions: number;
  /** Points a round, the best of them that the next round is drawn around, and rounds. */
  readonly population: number;
  readonly elite: number;
  readonly rounds: number;
  readonly seed: number;
}

/**
 * Minimises a function over the unit cube by the cross-entropy method (Rubinstein and Kroese 2004):
 * points are drawn around the mean of the best ones of the round before, with their deviation.
 *
 * @param values the function at several points; the same point must always have the same value
 * @returns the best point that was met, the mean of the last best ones among them
 */
export async function searchCube(
  values: (points: readonly (readonly number[])[]) => Promise<readonly number[]>,
  { dimensions, population, elite, rounds, seed }: SearchOptions,
): Promise<{ readonly point: readonly number[]; readonly value: number }> {
  let mean = Array.from({ length: dimensions }, () => 0.5);
  let deviation = mean.map(() => 0.35);
  let best: { point: readonly number[]; value: number } = { point: mean, value: Number.POSITIVE_INFINITY };
  for (let round = 0; round < rounds; round++) {
    const stream = random("search", seed, round);
    const drawn = Array.from({ length: population - 1 }, () =>
      mean.map((middle, at) => Math.min(Math.max(middle + (deviation[at] ?? 0) * stream.normal(), 0), 1)),
    );
    const points = [mean, ...drawn];
    const found = await values(points);
    const ranked = points.map((point, at) => ({ point, value: found[at] ?? Number.POSITIVE_INFINITY }));
    ranked.sort((a, b) => a.value - b.value);
    if (ranked[0] !== undefined && ranked[0].value < best.value) best = ranked[0];
    const chosen = ranked.slice(0, elite);
    const meanOf = (pick: (point: readonly number[]) => number): number =>
      chosen.reduce((sum, { point }) => sum + pick(point), 0) / chosen.length;
    const middle = mean.map((_, at) => meanOf((point) => point[at] ?? 0));
    // Half of the old deviation stays, so that the search does not end where it happened to begin.
    deviation = deviation.map((old, at) => {
      const own = Math.sqrt(meanOf((point) => ((point[at] ?? 0) - (middle[at] ?? 0)) ** 2));
      return Math.max(0.5 * own + 0.5 * Math.min(old, own * 1.5), 0.01);
    });
    mean = middle;
  }
  const [last = Number.POSITIVE_INFINITY] = await values([mean]);
  return last < best.value ? { point: mean, value: last } : best;
}
