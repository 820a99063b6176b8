import { random } from "../../random.ts";
import type { VerificationOutcome } from "../results/types.ts";
import { likeOf, type Numbers } from "./arrays.ts";

/** How many impostor comparisons are kept. */
export interface ThinOptions {
  /** The highest impostor scores, which decide the rates, are all kept (500,000). */
  readonly top?: number;
  /** Of all others as many are drawn, each standing for its share (200,000). */
  readonly sample?: number;
}

/**
 * Thins millions of comparisons for the bootstrap and for storage: every genuine one and the
 * highest impostors stay, of the other impostors one out of each of many equally long runs, drawn,
 * which stands for the run. What is small already comes back as it is. Take point values from all
 * scores before (`tarAtFar`); the thinned list gives their intervals, and curves.
 */
export function thinComparisons(outcome: VerificationOutcome, options: ThinOptions = {}): VerificationOutcome {
  const { top = 500_000, sample = 200_000 } = options;
  const { scores, same, fold } = outcome;
  const impostors = scores.filter((_, i) => same[i] !== 1);
  if (impostors.length <= top + sample || outcome.weight !== undefined) return outcome;
  const limit = impostors.sort()[impostors.length - 1 - top];
  let rest = 0;
  for (let i = 0; i < scores.length; i++) if (same[i] !== 1 && scores[i] <= limit) rest++;

  const next = random("thin comparisons");
  const kept: number[] = [];
  const weight: number[] = [];
  let run = -1;
  let chosen = -1;
  let seen = 0;
  for (let i = 0; i < scores.length; i++) {
    if (same[i] === 1 || scores[i] > limit) {
      kept.push(i);
      weight.push(1);
      continue;
    }
    // Run r holds the impostors from floor(r rest / sample) on.
    while (seen >= Math.floor(((run + 1) * rest) / sample)) {
      run++;
      const start = Math.floor((run * rest) / sample);
      chosen = start + next.int(Math.max(1, Math.floor(((run + 1) * rest) / sample) - start));
    }
    if (seen === chosen) {
      kept.push(i);
      weight.push(Math.floor(((run + 1) * rest) / sample) - Math.floor((run * rest) / sample));
    }
    seen++;
  }
  const take = <T extends Numbers>(values: T): T => {
    const out = likeOf(values, kept.length);
    kept.forEach((from, to) => {
      out[to] = values[from];
    });
    return out;
  };
  return {
    ...outcome,
    scores: take(scores),
    same: take(same),
    first: take(outcome.first),
    second: take(outcome.second),
    firstItem: take(outcome.firstItem),
    secondItem: take(outcome.secondItem),
    fold: fold && take(fold),
    weight: Float32Array.from(weight),
  };
}
