import { itemAt } from "onnx-grad";
import { random } from "../../random.ts";
import type { Moments } from "../optimiser/moments.ts";
import { freshMoments, type OptimizerOptions, optimize } from "../optimiser/optimizer.ts";

/**
 * The throw-away class centres of a margin loss: `classes x width`, with the optimiser's state. 4
 * bytes a number: 100,000 classes of width 512 take 205 MB, three times that with AdamW's moments,
 * twice with SGD's velocity.
 */
export interface Head {
  /** Of all ranks together. */
  readonly classes: number;
  readonly width: number;
  /** The first class whose centre is here; of several ranks each holds a part. */
  readonly first: number;
  readonly values: Float32Array;
  readonly moments: Moments;
}

/** A head whose centres are given. `values`: `classes x width`. */
export const headOf = (
  values: Float32Array,
  width: number,
  optimizer: OptimizerOptions["optimizer"] = "adamw",
  of: { readonly first: number; readonly classes: number } = { first: 0, classes: values.length / width },
): Head => ({
  ...of,
  width,
  values,
  moments: freshMoments(values.length, optimizer),
});

/**
 * The first item of each rank's part of some, and behind them the end of the last: parts in the
 * order of ranks that differ by one item at most, as arcface_torch cuts its class centres.
 */
export const partStarts = (items: number, ranks: number): number[] =>
  Array.from({ length: ranks + 1 }, (_, rank) => Math.floor(items / ranks) * rank + Math.min(rank, items % ranks));

/** How many items each rank's part has. */
export function partLengths(items: number, ranks: number): number[] {
  const starts = partStarts(items, ranks);
  return starts.slice(1).map((end, rank) => end - itemAt(starts, rank));
}

/** How many of some ascending classes each rank holds. */
export function classesOfRanks(classes: Uint32Array, total: number, ranks: number): number[] {
  const starts = partStarts(total, ranks);
  const counts = new Array<number>(ranks).fill(0);
  let rank = 0;
  for (const each of classes) {
    while (each >= itemAt(starts, rank + 1)) rank++;
    counts[rank] = itemAt(counts, rank) + 1;
  }
  return counts;
}

/**
 * Centres drawn from N(0, 0.01 squared), as the released code's. Depends on the seed alone.
 *
 * @param first class whose centre is wanted first, and `end` behind the last; all unless given
 */
export function randomCentres(classes: number, width: number, seed: number, first = 0, end = classes): Float32Array {
  const stream = random("centres", seed);
  for (let skipped = 0; skipped < first * width; skipped++) stream.normal();
  return new Float32Array((end - first) * width).map(() => 0.01 * stream.normal());
}

/**
 * Classes of one step: all of them, or the batch's own and randomly drawn others up to `most`,
 * ascending (Partial FC, An et al., CVPR 2022, arXiv 2203.15565). Depends on seed and step alone.
 * `most` must be at least the number of different labels.
 */
export function sampleClasses(
  classes: number,
  labels: readonly number[],
  seed: number,
  step: number,
  most: number,
): Uint32Array {
  const count = Math.min(classes, most);
  if (count === classes) return Uint32Array.from({ length: classes }, (_, i) => i);
  const chosen = new Set(labels);
  const stream = random("classes", seed, step);
  while (chosen.size < count) chosen.add(stream.int(classes));
  return Uint32Array.from(chosen).sort();
}

/**
 * The rows of `classes` one after the other, of values that begin with the row of class `first`.
 */
export function gatherRows(values: Float32Array, classes: Uint32Array, width: number, first = 0): Float32Array {
  const rows = new Float32Array(classes.length * width);
  classes.forEach((each, i) => {
    const row = each - first;
    rows.set(values.subarray(row * width, (row + 1) * width), i * width);
  });
  return rows;
}

/**
 * One optimiser step on sampled centres that are here; the others keep their values and their
 * state. `step` counts from 1.
 */
export function updateHead(
  head: Head,
  classes: Uint32Array,
  gradient: Float32Array,
  step: number,
  options: OptimizerOptions & { readonly rate: number },
): void {
  const { width } = head;
  const rowOptions = { ...options, gradientScale: 1 };
  classes.forEach((each, i) => {
    const row = each - head.first;
    const rows = (all: Float32Array): Float32Array => all.subarray(row * width, (row + 1) * width);
    const moments = { first: rows(head.moments.first), second: rows(head.moments.second) };
    optimize(rows(head.values), gradient.subarray(i * width, (i + 1) * width), moments, step, rowOptions);
  });
}
