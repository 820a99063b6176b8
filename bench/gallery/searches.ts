import { rowAt } from "../skeleton/linear.ts";
import { width } from "./data.ts";

/** How one way of searching fared. */
export interface Searched {
  /** Seconds until the first search could begin: reading or building. */
  readonly opened: number;
  /** Milliseconds of a search, the median. */
  readonly milliseconds: number;
  /** Number of the person that was nearest, one a probe. */
  readonly found: readonly number[];
}

/** Searches for one face after the other: milliseconds of all but the first, and who is nearest. */
export async function searchEach(
  probes: Float32Array,
  nearestTo: (row: Float32Array) => Promise<number>,
): Promise<{ readonly times: number[]; readonly nearest: number[] }> {
  const times: number[] = [];
  const nearest: number[] = [];
  for (let probe = 0; probe < probes.length / width; probe++) {
    const started = performance.now();
    nearest.push(await nearestTo(rowAt(probes, width, probe)));
    // The first one fills caches and starts the threads.
    if (probe > 0) times.push(performance.now() - started);
  }
  return { times, nearest };
}
