import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import type { PreparedStep } from "./batches.ts";

/** A step in which other faces stand for some. */
export interface Replaced {
  readonly batch: PreparedStep;
  /** The place whose draw is now at each place. */
  readonly from: readonly number[];
  /** Places whose pixels this rank needs and does not have: another rank loaded them. */
  readonly missing: readonly number[];
}

/**
 * A step in which other faces of it stand for some: each draw of `bad` becomes the next one,
 * around, that is not. Which one does not depend on timing, so that a resumed run has the same
 * bits.
 *
 * @param bad places of draws that the model has nothing finite of
 * @param names of a face for the message
 * @param kept whether what goes in follows from the draws alone: where frozen layers are kept
 * @throws PetalfaceError where none is left
 */
export function replaceDraws(
  batch: PreparedStep,
  bad: ReadonlySet<number>,
  nameOf: (face: number) => string,
  kept: boolean,
): Replaced {
  const { draws, pixels, shown } = batch;
  const count = draws.length;
  if (bad.size === 0) return { batch, from: draws.map((_, at) => at), missing: [] };
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
  const from = draws.map((_, at) => place(at));
  const replaced = from.map((at) => itemAt(draws, at));
  if (kept) return { batch: { ...batch, draws: replaced }, from, missing: [] };
  const face = pixels.length / shown.length;
  const rows = new Map(shown.map((at, row) => [at, row]));
  const moved = pixels.slice();
  const missing: number[] = [];
  shown.forEach((at, row) => {
    if (!bad.has(at)) return;
    const other = rows.get(place(at));
    if (other === undefined) missing.push(at);
    else moved.set(pixels.subarray(other * face, (other + 1) * face), row * face);
  });
  return { batch: { ...batch, draws: replaced, pixels: moved }, from, missing };
}
