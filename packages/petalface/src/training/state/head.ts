import { random } from "../../random.ts";
import type { Moments } from "../optimiser/moments.ts";
import { freshMoments, type OptimizerOptions, optimize } from "../optimiser/optimizer.ts";

/**
 * The throw-away class centres of a margin loss: `classes x width`, with the optimiser's state. 4 bytes a number: 100,000 classes of width
 * 512 take 205 MB, three times that with AdamW's moments, twice with SGD's velocity.
 */
export interface Head {
  readonly classes: number;
  readonly width: number;
  readonly values: Float32Array;
  readonly moments: Moments;
}

/** A head whose centres are given. `values`: `classes x width`. */
export const headOf = (
  values: Float32Array,
  width: number,
  optimizer: OptimizerOptions["optimizer"] = "adamw",
): Head => ({
  classes: values.length / width,
  width,
  values,
  moments: freshMoments(values.length, optimizer),
});

/** Centres drawn from N(0, 0.01 squared), as the released code's. Depends on the seed alone. */
export function randomCentres(classes: number, width: number, seed: number): Float32Array {
  const stream = random("centres", seed);
  return new Float32Array(classes * width).map(() => 0.01 * stream.normal());
}

/**
 * Classes of one step: all of them, or the batch's own and randomly drawn others up to `most`, ascending (Partial FC, An et al., CVPR
 * 2022, arXiv 2203.15565). Depends on seed and step alone. `most` must be at least the number of different labels.
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

/** The rows of `classes` one after the other. */
export function gatherRows(values: Float32Array, classes: Uint32Array, width: number): Float32Array {
  const rows = new Float32Array(classes.length * width);
  classes.forEach((row, i) => {
    rows.set(values.subarray(row * width, (row + 1) * width), i * width);
  });
  return rows;
}

/** One optimiser step on the sampled centres; the others keep their values and their state. `step` counts from 1. */
export function updateHead(
  head: Head,
  classes: Uint32Array,
  gradient: Float32Array,
  step: number,
  options: OptimizerOptions & { readonly rate: number },
): void {
  const { width } = head;
  const rowOptions = { ...options, gradientScale: 1 };
  classes.forEach((row, i) => {
    const rows = (all: Float32Array): Float32Array => all.subarray(row * width, (row + 1) * width);
    const moments = { first: rows(head.moments.first), second: rows(head.moments.second) };
    optimize(rows(head.values), gradient.subarray(i * width, (i + 1) * width), moments, step, rowOptions);
  });
}
