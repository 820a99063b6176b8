import { itemAt } from "onnx-grad";
import { type Adapter, initialStatistics, initialTheta } from "../../adapters/index.ts";
import { openEmbedder, rowsNotFinite } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { nameOfFace } from "../../images/index.ts";
import { marginOf, usesMargin } from "../losses/names.ts";
import { lossStateSize } from "../losses/running.ts";
import { freshMoments } from "../optimiser/optimizer.ts";
import type { RunParts } from "../run/types.ts";
import { freshValidation } from "../run/validation.ts";
import type { StateShape, TrainingState } from "./checkpoint.ts";
import { type Head, headOf, partStarts, randomCentres } from "./head.ts";

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

/**
 * Class centres before the first step: the mean direction of a few sharp faces of each person, seen
 * by the frozen backbone. Of several ranks each embeds every so many batches, and all take the rows
 * in the order of one process.
 */
async function firstHead(
  { backbone, data, loader, session, options, ranks }: RunParts,
  signal: AbortSignal | undefined,
): Promise<Head> {
  const { centreFaces, optimizer, seed } = options;
  const { width } = backbone;
  const classes = data.people.length;
  const starts = partStarts(classes, ranks.count);
  const [first, end] = [starts[ranks.rank], starts[ranks.rank + 1]];
  const drawn = (): Float32Array => randomCentres(classes, width, seed, first, end);
  const head = (values: Float32Array): Head => headOf(values, width, optimizer, { first, classes });
  if (centreFaces === 0) return head(drawn());
  let [shortest, longest] = [Number.POSITIVE_INFINITY, 0];
  const centres = new Float32Array((end - first) * width);
  const embedder = await openEmbedder(backbone, session);

  /** A row for each face: its person, -1 where the embedding is not finite, and the embedding. */
  const embed = async (indices: readonly number[]): Promise<Float32Array> => {
    const records = new Float32Array(embedder.batch * (1 + width));
    if (indices.length === 0) return records;
    const planes = await loader.load(
      indices.map((index) => ({ source: data.at(index).source, flip: false, face: index })),
    );
    const { data: rows } = await embedder.embed(planes, indices.length);
    const bad = new Set(rowsNotFinite(rows, width));
    indices.forEach((index, i) => {
      if (bad.has(i)) loader.leave(index, `${nameOfFace(data.at(index).source)}: its embedding is not finite`);
      records[i * (1 + width)] = bad.has(i) ? -1 : data.at(loader.used(index)).person;
      records.set(rows.subarray(i * width, (i + 1) * width), i * (1 + width) + 1);
    });
    return records;
  };
  const add = (record: Float32Array): void => {
    const [person = -1] = record;
    if (person < 0) return;
    const row = record.subarray(1);
    const length = Math.hypot(...row);
    [shortest, longest] = [Math.min(shortest, length), Math.max(longest, length)];
    if (person < first || person >= end) return;
    const start = (person - first) * width;
    row.forEach((value, k) => {
      centres[start + k] += value / length;
    });
  };
  /** Embeds one batch on each rank, and takes all of them. */
  const round = async (batches: readonly (readonly number[])[]): Promise<void> => {
    signal?.throwIfAborted();
    const all = await ranks.gather([await embed(batches[ranks.rank] ?? [])]);
    batches.forEach(({ length }, rank) => {
      const records = itemAt(itemAt(all, rank), 0);
      for (let row = 0; row < length; row++) add(records.subarray(row * (1 + width), (row + 1) * (1 + width)));
    });
  };
  try {
    const batches: number[][] = [];
    const seen = new Uint16Array(classes);
    for (let index = 0; index < data.length; index++) {
      const { person } = data.at(index);
      if (seen[person] >= centreFaces) continue;
      seen[person] += 1;
      const last = batches.at(-1);
      if (last !== undefined && last.length < embedder.batch) last.push(index);
      else {
        if (batches.length === ranks.count) await round(batches.splice(0));
        batches.push([index]);
      }
    }
    if (batches.length > 0) await round(batches);
  } finally {
    await embedder.close();
  }
  const [low = 0, high = 0] = options.magnitudes;
  if (marginOf(options.loss) === "magface" && (longest <= low || shortest >= high))
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `MagFace's margin would never change: the embeddings of ${backbone.spec.name} are ${shortest.toFixed(1)} to ${longest.toFixed(1)} long, and 'magnitudes' is ${low},${high}; give 'magnitudes' around those lengths`,
    );
  let unseen: Float32Array | undefined;
  for (let place = 0; place < end - first; place++) {
    const row = centres.subarray(place * width, (place + 1) * width);
    // The direction of a person without a finite embedding is unknown.
    if (row.every((value) => value === 0)) {
      unseen ??= drawn();
      row.set(unseen.subarray(place * width, (place + 1) * width));
    }
    const length = Math.max(Math.hypot(...row), 1e-12);
    row.forEach((value, k) => {
      row[k] = value / length;
    });
  }
  return head(centres);
}
