import { itemAt } from "onnx-grad";
import { nameOfFace } from "../../images/index.ts";
import type { PreparedStep } from "./batches.ts";
import { requestOf } from "./batches.ts";
import { replaceDraws } from "./replace.ts";
import type { Draw } from "./sampler.ts";
import type { StepTask } from "./task.ts";

/** What every rank must know of a face that any of them shows. */
export interface ShownFace {
  /** Number of the face whose pixels are used. */
  readonly face: number;
  /** Whose it is. */
  readonly person: number;
  /** The score that came with it; NaN for none. */
  readonly quality: number;
}

/** A step whose faces the model has finite embeddings of, as far as is known. */
export interface UsableStep {
  readonly batch: PreparedStep;
  /** By place. */
  readonly faces: readonly ShownFace[];
  /** The place that the draw at each place was drawn for. */
  readonly origin: readonly number[];
}

/** Numbers that a rank says of a face. */
const fields = 3;
const digit = 4096;

/**
 * Tells all ranks of the faces that each of them loaded, and puts others in the places of those
 * whose target is not finite.
 */
export async function meetFaces(task: StepTask, batch: PreparedStep): Promise<UsableStep> {
  const { share, ranks, data, loader, targets } = task;
  const own = share.placesOf(ranks.rank);
  const record = new Float32Array(fields * share.rounds * share.size);
  own.forEach((place, row) => {
    const { index, flip } = itemAt(batch.draws, place);
    const used = loader.used(index);
    // A number in two parts that float32 holds exactly.
    const wrong = targets === undefined || targets.isFinite(index, flip) ? 0 : 1;
    record.set([Math.floor(used / digit), used % digit, wrong], fields * row);
  });
  const faces = new Array<ShownFace>(batch.draws.length);
  const bad = new Set<number>();
  (await ranks.gather([record])).forEach(([all = record], rank) => {
    share.placesOf(rank).forEach((place, row) => {
      const [high = 0, low = 0, wrong] = all.subarray(fields * row);
      const face = digit * high + low;
      const { person, quality = Number.NaN } = data.at(face);
      faces[place] = { face, person, quality };
      if (wrong === 1) bad.add(place);
    });
  });
  return await without(task, { batch, faces, origin: batch.draws.map((_, place) => place) }, bad);
}

/**
 * Puts others in the places of the faces that the frozen model has no finite embedding of, as they
 * are shown.
 */
export async function withoutNotFinite(task: StepTask, step: UsableStep): Promise<UsableStep | undefined> {
  const { share, ranks } = task;
  const own = share.placesOf(ranks.rank);
  const flags = new Float32Array(share.rounds * share.size);
  for (const row of await task.findNotFinite(own.map((place) => itemAt(step.batch.draws, place)))) flags[row] = 1;
  const all = await ranks.gather([flags]);
  const bad = new Set(all.flatMap(([wrong], rank) => share.placesOf(rank).filter((_, row) => wrong?.[row] === 1)));
  return bad.size === 0 ? undefined : await without(task, step, bad);
}

/** The step with other faces in some places; loads what another rank had loaded. */
async function without(task: StepTask, step: UsableStep, bad: ReadonlySet<number>): Promise<UsableStep> {
  const { share, ranks, data, loader, targets } = task;
  if (bad.size === 0) return step;
  const nameOf = (face: number): string => nameOfFace(data.at(face).source);
  for (const place of bad) {
    const { index } = itemAt(step.batch.draws, place);
    if (share.rankOf(place) === ranks.rank) loader.leave(index, `${nameOf(index)}: its embedding is not finite`);
  }
  const { batch, from, missing } = replaceDraws(step.batch, bad, nameOf, task.prefix !== undefined);
  const drawAt = (place: number): Draw => itemAt(batch.draws, place);
  if (missing.length > 0) {
    const planes = await loader.load(missing.map((place) => requestOf(data, drawAt(place))));
    const face = planes.length / missing.length;
    missing.forEach((place, row) => {
      batch.pixels.set(planes.subarray(row * face, (row + 1) * face), batch.shown.indexOf(place) * face);
    });
  }
  const lacking =
    targets === undefined
      ? []
      : share
          .placesOf(ranks.rank)
          .map(drawAt)
          .filter(({ index, flip }) => !targets.has(index, flip));
  if (lacking.length > 0)
    await targets?.more(
      lacking,
      await loader.load(lacking.map((draw) => requestOf(data, { ...draw, degrade: undefined }))),
    );
  return {
    batch,
    faces: from.map((place) => itemAt(step.faces, place)),
    origin: from.map((place) => itemAt(step.origin, place)),
  };
}
