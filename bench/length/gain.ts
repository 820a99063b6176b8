import { itemAt } from "onnx-grad";
import { bootstrap, type EvaluationResult } from "petalface/evaluation";
import { quantile } from "petalface/quality";

/** Whose probes were found first, one entry a probe. */
export interface Found {
  /** Person of each probe, below `people`. */
  readonly person: ArrayLike<number>;
  /** 1 where no other person stands before its own. */
  readonly first: ArrayLike<number>;
}

/** A share with its 95 % interval (bootstrap over people). */
export interface Share {
  readonly value: number;
  readonly low: number;
  readonly high: number;
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
): Share {
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
  const draws = row.subarray(1);
  return { value: itemAt(row, 0), low: quantile(draws, 0.025), high: quantile(draws, 0.975) };
}
