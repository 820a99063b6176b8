import { type Adapter, initialStatistics, initialTheta } from "../../adapters/index.ts";
import { openEmbedder, rowsNotFinite } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { nameOfFace } from "../../images/index.ts";
import { lossStateSize } from "../losses/margin-loss.ts";
import { marginOf, usesMargin } from "../losses/names.ts";
import { freshMoments } from "../optimiser/optimizer.ts";
import type { RunParts } from "../run/types.ts";
import { freshValidation } from "../run/validation.ts";
import type { StateShape, TrainingState } from "./checkpoint.ts";
import { type Head, headOf, randomCentres } from "./head.ts";

/**
 * The state before the first step. Throws the signal's reason if it aborts meanwhile.
 *
 * @param init the adapter whose weights training starts from
 */
export async function firstState(
  parts: RunParts,
  signal: AbortSignal | undefined,
  init?: Adapter,
): Promise<TrainingState> {
  const { backbone, layout, options } = parts;
  const theta = init?.theta.slice() ?? (await initialTheta(backbone, layout, options.seed, options.loraInit));
  return {
    step: 0,
    theta,
    moments: freshMoments(theta.length, options.optimizer),
    head: usesMargin(options.loss) ? await firstHead(parts, signal) : undefined,
    lossState: new Float32Array(lossStateSize(options.loss)),
    statistics: init?.statistics?.slice() ?? (await initialStatistics(backbone, layout.norms)),
    validation: parts.validator && freshValidation(theta.length, layout.norms.length),
  };
}

/** The sizes that a checkpoint of this run must have. */
export const stateShape = ({ backbone, data, layout, options, validator }: RunParts): StateShape => ({
  parameters: layout.length,
  optimizer: options.optimizer,
  head: usesMargin(options.loss) ? { classes: data.people.length, width: backbone.width } : undefined,
  lossState: lossStateSize(options.loss),
  statistics: layout.norms.length,
  validates: validator !== undefined,
});

/** Class centres before the first step: the mean direction of a few sharp faces of each person, seen by the frozen backbone. */
async function firstHead(
  { backbone, data, loader, session, options }: RunParts,
  signal: AbortSignal | undefined,
): Promise<Head> {
  const { centreFaces, optimizer, seed } = options;
  const { width } = backbone;
  let [shortest, longest] = [Number.POSITIVE_INFINITY, 0];
  if (centreFaces === 0) return headOf(randomCentres(data.people.length, width, seed), width, optimizer);
  const centres = new Float32Array(data.people.length * width);
  const seen = new Uint32Array(data.people.length);
  const embedder = await openEmbedder(backbone, session);
  const embed = async (indices: readonly number[]): Promise<void> => {
    signal?.throwIfAborted();
    const planes = await loader.load(
      indices.map((index) => ({ source: data.at(index).source, flip: false, face: index })),
    );
    const { data: rows } = await embedder.embed(planes, indices.length);
    const bad = new Set(rowsNotFinite(rows, width));
    indices.forEach((index, i) => {
      if (bad.has(i)) {
        loader.leave(index, `${nameOfFace(data.at(index).source)}: its embedding is not finite`);
        return;
      }
      const row = rows.subarray(i * width, (i + 1) * width);
      const length = Math.hypot(...row);
      [shortest, longest] = [Math.min(shortest, length), Math.max(longest, length)];
      const start = data.at(loader.used(index)).person * width;
      row.forEach((value, k) => {
        centres[start + k] += value / length;
      });
    });
  };
  try {
    const waiting: number[] = [];
    for (let index = 0; index < data.length; index++) {
      const { person } = data.at(index);
      if (seen[person] >= centreFaces) continue;
      seen[person] += 1;
      waiting.push(index);
      if (waiting.length === embedder.batch) await embed(waiting.splice(0));
    }
    if (waiting.length > 0) await embed(waiting);
  } finally {
    await embedder.close();
  }
  const [low = 0, high = 0] = options.magnitudes;
  if (marginOf(options.loss) === "magface" && (longest <= low || shortest >= high))
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `MagFace's margin would never change: the embeddings of ${backbone.spec.name} are ${shortest.toFixed(1)} to ${longest.toFixed(1)} long, and 'magnitudes' is ${low},${high}; give 'magnitudes' around those lengths`,
    );
  const unseen = randomCentres(data.people.length, width, seed);
  for (let person = 0; person < data.people.length; person++) {
    // The direction of a person without a finite embedding is unknown.
    if (centres.subarray(person * width, (person + 1) * width).every((value) => value === 0))
      centres.set(unseen.subarray(person * width, (person + 1) * width), person * width);
    const row = centres.subarray(person * width, (person + 1) * width);
    const length = Math.max(Math.hypot(...row), 1e-12);
    row.forEach((value, k) => {
      row[k] = value / length;
    });
  }
  return headOf(centres, width, optimizer);
}
