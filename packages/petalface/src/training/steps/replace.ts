import { PetalfaceError } from "../../errors.ts";
import type { PreparedStep } from "./batches.ts";

/**
 * A step in which other faces of it stand for some: each draw of `bad` becomes the next one,
 * around, that is not. Which one does not depend on timing, so that a resumed run has the same
 * bits.
 *
 * @param bad places of draws that the model has nothing finite of
 * @param names of a face for the message
 * @throws PetalfaceError where none is left
 */
export function replaceDraws(
  batch: PreparedStep,
  bad: ReadonlySet<number>,
  nameOf: (face: number) => string,
): PreparedStep {
  const { draws, pixels } = batch;
  const count = draws.length;
  if (bad.size === 0) return batch;
  if (bad.size === count)
    throw new PetalfaceError(
      "PETAL_NOT_FINITE",
      `step ${batch.step + 1}: the model has no finite embedding of any of its ${count} faces, the first is ${nameOf(draws[0]?.index ?? 0)}; remove such pictures, or raise 'batch'`,
    );
  const place = (at: number): number => {
    let other = at;
    while (bad.has(other)) other = (other + 1) % count;
    return other;
  };
  const replaced = draws.map((_, at) => draws[place(at)] as (typeof draws)[number]);
  // Where frozen layers are kept, what goes in follows from the draws alone.
  if (batch.shown.length !== count) return { ...batch, draws: replaced };
  const face = pixels.length / count;
  const moved = pixels.slice();
  for (const at of bad) moved.set(pixels.subarray(place(at) * face, (place(at) + 1) * face), at * face);
  return { ...batch, draws: replaced, pixels: moved };
}
