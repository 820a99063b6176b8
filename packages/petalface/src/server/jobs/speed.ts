import type { Recogniser } from "../gallery/recogniser.ts";
import type { Jobs } from "./jobs.ts";

/** How fast training is on this machine. */
export interface TrainingSpeed {
  readonly imagesPerSecond: number;
  /** From an earlier training of this server, or from the time that the model takes for a batch. */
  readonly from: "training" | "estimate";
}

/**
 * Passes through the model that a training image costs, about: the target of the sharp face, and
 * forward and backward through the adapted network.
 */
const passes = 4;
/** Images a second that are decoded and degraded, about: a small model waits for them. */
const prepared = 100;

/** How fast the newest training was, or an estimate where none was finished. */
export async function trainingSpeed(
  jobs: Jobs,
  { describer: { embedder } }: Pick<Recogniser, "describer">,
): Promise<TrainingSpeed> {
  const known = jobs.list().findLast(({ kind, rate }) => kind === "adapt" && rate !== null)?.rate;
  if (known !== undefined && known !== null) return { imagesPerSecond: known, from: "training" };
  const { batch, size } = embedder;
  const pixels = new Uint8Array(batch * 3 * size * size).fill(128);
  await embedder.embed(pixels, batch);
  const begin = performance.now();
  await embedder.embed(pixels, batch);
  const seconds = Math.max(1e-4, (performance.now() - begin) / 1000);
  return { imagesPerSecond: Math.min(prepared, batch / seconds / passes), from: "estimate" };
}
