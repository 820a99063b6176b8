/** How many values lie in each of equally wide bins from `low` to `high`. */
export interface Histogram {
  readonly low: number;
  readonly high: number;
  readonly counts: readonly number[];
}

/** Counts values in `bins` equally wide bins between the least and the largest finite one. */
export function histogramOf(values: ArrayLike<number>, bins: number): Histogram {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const counts = Array<number>(bins).fill(0);
  for (let i = 0; i < values.length; i++) {
    const place = high > low ? Math.floor((bins * (values[i] - low)) / (high - low)) : 0;
    if (!Number.isFinite(values[i])) continue;
    const bin = Math.min(bins - 1, place);
    counts[bin] += 1;
  }
  return { low, high, counts };
}
