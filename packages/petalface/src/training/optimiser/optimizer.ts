import { adamw } from "./adamw.ts";
import type { Moments } from "./moments.ts";
import { sgd } from "./sgd.ts";

/** Names of the optimisers. */
export const optimizerNames = ["adamw", "sgd"] as const;

/** Choices of an optimiser that do not change during a run. */
export interface OptimizerOptions {
  readonly optimizer: (typeof optimizerNames)[number];
  readonly weightDecay: number;
  /** SGD: share of the velocity that stays, from 0 to below 1. */
  readonly momentum: number;
  /** SGD: look ahead along the velocity. */
  readonly nesterov: boolean;
}

/** State before the first step: zeros. */
export const freshMoments = (length: number, optimizer: OptimizerOptions["optimizer"] = "adamw"): Moments => ({
  first: new Float32Array(length),
  second: new Float32Array(optimizer === "adamw" ? length : 0),
});

/** A part of a vector that has a rate of its own: a factor on that of the rest. */
export interface RatedPart {
  readonly offset: number;
  readonly length: number;
  readonly factor: number;
}

/**
 * {@link optimize} where parts of the vector have other rates. The parts lie one behind the other
 * and make up the whole vector.
 */
export function optimizeParts(
  values: Float32Array,
  gradient: Float32Array,
  moments: Moments,
  step: number,
  options: OptimizerOptions & { readonly rate: number; readonly gradientScale: number },
  parts: readonly RatedPart[],
): void {
  for (const { offset, length, factor } of parts) {
    const cut = (vector: Float32Array): Float32Array => vector.subarray(offset, offset + length);
    const own = { first: cut(moments.first), second: cut(moments.second) };
    optimize(cut(values), cut(gradient), own, step, { ...options, rate: factor * options.rate });
  }
}

/**
 * One step in place. `step` counts from 1; `gradientScale` multiplies the gradient first
 * (clipping). All vectors have the length of `values`, but for SGD's second.
 */
export function optimize(
  values: Float32Array,
  gradient: Float32Array,
  moments: Moments,
  step: number,
  options: OptimizerOptions & { readonly rate: number; readonly gradientScale: number },
): void {
  if (options.optimizer === "sgd") sgd(values, gradient, moments.first, options);
  else adamw(values, gradient, moments, step, options);
}
