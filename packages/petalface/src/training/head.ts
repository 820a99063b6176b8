import { random } from "../random.ts";
import { adamw, freshMoments, type Moments } from "./adamw.ts";

/** Most class centres that take part in one step; with more classes, the others rest (Partial FC, An et al., CVPR 2022). */
const centresPerStep = 4096;

/** The throw-away class centres of a margin loss: `classes x width`, with their AdamW moments. Lives in TypeScript memory only. */
export interface Head {
  readonly classes: number;
  readonly width: number;
  readonly values: Float32Array;
  readonly moments: Moments;
}

/** A head whose centres are given. `values`: `classes x width`. */
export const headOf = (values: Float32Array, width: number): Head => ({
  classes: values.length / width,
  width,
  values,
  moments: freshMoments(values.length),
});

/** How many class centres one step uses. */
export const sampledClasses = (classes: number): number => Math.min(classes, centresPerStep);

/**
 * Classes of one step: all of them, or the batch's own and randomly drawn others, ascending. Depends on seed and step alone.
 */
export function sampleClasses(classes: number, labels: readonly number[], seed: number, step: number): Uint32Array {
  const count = sampledClasses(classes);
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

/** One AdamW step on the sampled centres; the others keep their values and moments. `step` counts from 1. */
export function updateHead(
  head: Head,
  classes: Uint32Array,
  gradient: Float32Array,
  step: number,
  options: { readonly rate: number; readonly weightDecay: number },
): void {
  const { width } = head;
  const rowOptions = { ...options, gradientScale: 1 };
  classes.forEach((row, i) => {
    const rows = (all: Float32Array): Float32Array => all.subarray(row * width, (row + 1) * width);
    const moments = { first: rows(head.moments.first), second: rows(head.moments.second) };
    adamw(rows(head.values), gradient.subarray(i * width, (i + 1) * width), moments, step, rowOptions);
  });
}
