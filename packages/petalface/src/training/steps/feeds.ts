import { entryOf, itemAt, sizeOf, type Tensor } from "onnx-grad";
import { toInput } from "../../backbones/index.ts";
import { classesOfRanks, gatherRows, type Head } from "../state/head.ts";
import type { UsableStep } from "./faces.ts";
import type { StepTask } from "./task.ts";

/** What the parts of a step have in common. */
export interface StepFeeds {
  /** Person of each face of the batch. */
  readonly labels: readonly number[];
  /** Classes of the step, ascending. */
  readonly classes: Uint32Array | undefined;
  /** Random values of the whole batch, by input. */
  readonly noise: ReadonlyMap<string, Float32Array>;
}

/** The inputs of one part of a batch, but for what changes from step to step. */
export function feedsOfPart(
  { backbone, graph: { inputs }, targets, anchors, prefix, share: { size } }: StepTask,
  { batch, faces }: UsableStep,
  part: number,
  { labels, classes, noise }: StepFeeds,
): Record<string, Tensor> {
  const start = part * size;
  const draws = batch.draws.slice(start, start + size);
  const face = 3 * backbone.size * backbone.size;
  const images = (): Tensor => {
    const row = batch.shown.indexOf(start);
    const pixels = batch.pixels.subarray(row * face, (row + size) * face);
    return toInput(pixels, size, size, backbone.size, backbone.spec);
  };
  const feeds: Record<string, Tensor> = prefix?.feeds(draws) ?? { [inputs.image]: images() };
  const { scores } = inputs;
  if (scores !== undefined)
    feeds[scores.input] = vector(
      Float32Array.from(draws, ({ degrade }, row) =>
        degrade === undefined ? (faces[start + row]?.quality ?? Number.NaN) : (scores.degraded ?? Number.NaN),
      ),
    );
  if (targets !== undefined && inputs.target !== undefined) {
    const target = new Float32Array(size * backbone.width);
    draws.forEach(({ index, flip }, row) => {
      targets.read(index, flip, target, row * backbone.width);
    });
    feeds[inputs.target] = { dtype: "float32", dims: [size, backbone.width], data: target };
  }
  if (anchors !== undefined && inputs.others !== undefined) {
    const others = new Float32Array(size * anchors.count);
    draws.forEach((_, row) => {
      others.set(anchors.others(faces[start + row]?.face ?? -1), row * anchors.count);
    });
    feeds[inputs.others] = { dtype: "float32", dims: [size, anchors.count], data: others };
  }
  if (classes !== undefined) feeds.onehot = oneHot(labels.slice(start, start + size), classes);
  for (const { name, dims } of inputs.noise) feeds[name] = imagesOf(entryOf(noise, name), dims, start, size);
  return feeds;
}

/** The centres of a step's classes, and which of them lie on this rank. */
export interface SampledCentres {
  /** `[classes, width]`. */
  readonly tensor: Tensor;
  /** Classes on this rank, ascending. */
  readonly own: Uint32Array;
  /** How many numbers of the tensor lie on each rank, one rank behind the other. */
  readonly lengths: readonly number[];
}

/** Brings the centres of some ascending classes together from the ranks that hold them. */
export async function meetCentres(
  { ranks }: Pick<StepTask, "ranks">,
  head: Head,
  classes: Uint32Array,
): Promise<SampledCentres> {
  const { width } = head;
  const counts = classesOfRanks(classes, head.classes, ranks.count);
  const before = counts.slice(0, ranks.rank).reduce((sum, count) => sum + count, 0);
  const own = classes.subarray(before, before + itemAt(counts, ranks.rank));
  const lengths = counts.map((count) => count * width);
  const rows = await ranks.join(gatherRows(head.values, own, width, head.first), lengths);
  const data = ranks.count === 1 ? rows : rows.slice();
  return { own, lengths, tensor: { dtype: "float32", dims: [classes.length, width], data } };
}

/** A vector as a tensor. */
export const vector = (data: Float32Array): Tensor => ({ dtype: "float32", dims: [data.length], data });

/** `count` images from `start` on, `dims` numbers each. */
function imagesOf(values: Float32Array, dims: readonly number[], start: number, count: number): Tensor {
  const width = sizeOf(dims);
  return { dtype: "float32", dims: [count, ...dims], data: values.slice(start * width, (start + count) * width) };
}

/** `[labels, classes]`: 1 where the class is the label. */
function oneHot(labels: readonly number[], classes: Uint32Array): Tensor {
  const place = new Map(Array.from(classes, (label, column) => [label, column]));
  const data = new Float32Array(labels.length * classes.length);
  labels.forEach((label, row) => {
    data[row * classes.length + entryOf(place, label)] = 1;
  });
  return { dtype: "float32", dims: [labels.length, classes.length], data };
}
