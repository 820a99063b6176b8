import { itemAt } from "onnx-grad";
import { deal, fromFirst, type Ranks, spread } from "../../ranks.ts";
import type { Moments } from "../optimiser/moments.ts";
import { freshMoments } from "../optimiser/optimizer.ts";
import { headLengths, loadState, type StateShape, type TrainingState } from "./checkpoint.ts";
import { partStarts } from "./head.ts";

/**
 * Reads a run's checkpoint on rank 0 and gives every rank its state: all of it but the head, of
 * which each gets its part. Rank 0 holds the whole file until then. All ranks must call it.
 *
 * @throws PetalfaceError on all ranks where the file does not fit the run
 */
export async function loadShared(folder: string, shape: StateShape, ranks: Ranks): Promise<TrainingState> {
  if (ranks.count === 1) return await loadState(folder, shape);
  let stored: TrainingState | undefined;
  const numbers = await fromFirst(ranks, async () => {
    stored = await loadState(folder, shape);
    const { step, validation } = stored;
    return { step, ...(validation && { last: validation.last, waited: validation.waited, best: validation.best }) };
  });
  const same = async (values: Float32Array | undefined, length: number): Promise<Float32Array> => {
    const own = values ?? new Float32Array(length);
    await spread(ranks, own);
    return own;
  };
  const { parameters, optimizer, lossState = 0, statistics = 0 } = shape;
  const theta = await same(stored?.theta, parameters);
  const moments: Moments = {
    first: await same(stored?.moments.first, parameters),
    second: await same(stored?.moments.second, optimizer === "adamw" ? parameters : 0),
  };
  const state = {
    step: numbers.step,
    theta,
    moments,
    lossState: await same(stored?.lossState, lossState),
    statistics: await same(stored?.statistics, statistics),
    validation: shape.validates
      ? {
          last: numbers.last ?? -1,
          waited: numbers.waited ?? 0,
          best: numbers.best,
          theta: await same(stored?.validation?.theta, parameters),
          statistics: await same(stored?.validation?.statistics, statistics),
        }
      : undefined,
  };
  if (shape.head === undefined) return { ...state, head: undefined };
  const lengths = headLengths(shape.head, ranks.count);
  const values = new Float32Array(itemAt(lengths, ranks.rank));
  await deal(ranks, stored?.head?.values, values, lengths);
  const parts = freshMoments(values.length, optimizer);
  await deal(ranks, stored?.head?.moments.first, parts.first, lengths);
  if (optimizer === "adamw") await deal(ranks, stored?.head?.moments.second, parts.second, lengths);
  const first = itemAt(partStarts(shape.head.classes, ranks.count), ranks.rank);
  return { ...state, head: { ...shape.head, first, values, moments: parts } };
}
