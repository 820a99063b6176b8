import { itemAt } from "onnx-grad";
import { bootstrap, type Estimate, type EvaluationResult, estimate } from "petalface/evaluation";

/** Whose probes were found first, one entry a probe. */
export interface Found {
  /** Person of each probe, below `people`. */
  readonly person: ArrayLike<number>;
  /** 1 where no other person stands before its own. */
  readonly first: ArrayLike<number>;
}

/**
 * The probes at a low resolution, searched in the gallery of sharp photos.
 *
 * @throws Error where the evaluation has no such search
 */
export function foundAt({ detail }: EvaluationResult, pixels: number): Found {
  const outcome = detail.outcomes.find(
    ({ kind, condition }) =>
      kind === "identification" && condition.kind === "mixed" && condition.degradation === `lr:${pixels}`,
  );
  if (outcome?.kind !== "identification") throw new Error(`no search at ${pixels} px`);
  return { person: outcome.person, first: Array.from(outcome.rank, (rank) => (rank === 1 ? 1 : 0)) };
}

/**
 * The share of a long training's gain in rank-1 over the frozen network that a short one reaches,
 * on the same resamples of people for all three.
 */
export function shareOfGain(
  { frozen, short, long }: { readonly frozen: Found; readonly short: Found; readonly long: Found },
  people: number,
  resamples = 1000,
): Estimate {
  const [row = new Float64Array(1)] = bootstrap(people, { resamples, seed: 1 }, (drawn) => {
    let [reached, whole] = [0, 0];
    for (let probe = 0; probe < frozen.person.length; probe++) {
      const times = itemAt(drawn, itemAt(frozen.person, probe));
      const before = itemAt(frozen.first, probe);
      reached += times * (itemAt(short.first, probe) - before);
      whole += times * (itemAt(long.first, probe) - before);
    }
    return [reached / whole];
  });
  return estimate(row);
}
