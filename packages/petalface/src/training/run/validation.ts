import type { Adapter } from "../../adapters/index.ts";
import type { Backbone } from "../../backbones/index.ts";
import type { Unreadable } from "../../data/index.ts";
import type { Ranks } from "../../ranks.ts";
import type { SessionOptions } from "../../runtime/index.ts";

/** What a run is validated on; part of `run.json`. */
export interface ValidationRequest {
  /** A pairs file, `drawn[:...]`, or a data set that pairs are drawn from. */
  readonly protocol: string;
  /** The faces that the protocol names, where it does not name them itself. */
  readonly data?: string | undefined;
  /** Low resolutions in pixels that the faces are shown at. */
  readonly pixels: readonly number[];
}

/** A value of the validation measure. Higher is better. */
export interface ValidationScore {
  readonly value: number;
  readonly standardError: number;
  /** The values whose mean it is, by name, such as `16 px`; absent where there is one only. */
  readonly parts?: Readonly<Record<string, number>> | undefined;
}

/** An open validation protocol. The same adapter must always give the same value. */
export interface Validator {
  /** What is measured, for people. */
  readonly measure: string;
  /** Changes whenever the protocol or its faces do; a run is not continued with another. */
  readonly fingerprint: string;
  /**
   * Faces that the last evaluation left out; undefined where there are none, or before the first.
   */
  leftOut?(): Unreadable | undefined;
  /**
   * Of several ranks all must call it; each does a part of the work, and all have the same value.
   */
  evaluate(adapter: Adapter, signal: AbortSignal | undefined, ranks: Ranks): Promise<ValidationScore>;
  close(): Promise<void>;
}

/** Opens what a run is validated on. Training knows no protocols: whoever calls it brings this. */
export type OpenValidator = (
  request: ValidationRequest,
  backbone: Backbone,
  session: SessionOptions,
) => Promise<Validator>;

/** The line of `metrics.jsonl` that a validation leaves. */
export interface ValidationRecord {
  /** Steps done before it. */
  readonly step: number;
  /** `best`: no validation before gave a higher value. */
  readonly validation: ValidationScore & { readonly best: boolean };
}

/** What validations have shown so far; part of the checkpoint. */
export interface ValidationState {
  /** Step of the last validation; -1 before the first. */
  last: number;
  /** Validations since the best one. */
  waited: number;
  best: (ValidationScore & { readonly step: number }) | undefined;
  /** Theta of the best, and its running statistics. */
  readonly theta: Float32Array;
  readonly statistics: Float32Array;
}

/**
 * The state before the first validation of `length` trained numbers and so many running statistics.
 */
export const freshValidation = (length: number, statistics: number): ValidationState => ({
  last: -1,
  waited: 0,
  best: undefined,
  theta: new Float32Array(length),
  statistics: new Float32Array(statistics),
});

/**
 * Whether a validation belongs after `step` steps: before the first step, every so many (or every
 * epoch), and after the last.
 */
export function validationDue(
  step: number,
  run: { readonly every: number; readonly steps: number; readonly batch: number; readonly images: number },
): boolean {
  if (step === 0 || step === run.steps) return true;
  if (run.every > 0) return step % run.every === 0;
  const epoch = (at: number): number => Math.floor((at * run.batch) / run.images);
  return epoch(step) > epoch(step - 1);
}

/** Takes a validation into the state, in place. */
export function noteValidation(
  state: ValidationState,
  step: number,
  score: ValidationScore,
  weights: Pick<ValidationState, "theta" | "statistics">,
): ValidationRecord {
  const best = state.best === undefined || score.value > state.best.value;
  state.last = step;
  state.waited = best ? 0 : state.waited + 1;
  if (best) {
    state.best = { value: score.value, standardError: score.standardError, step };
    state.theta.set(weights.theta);
    state.statistics.set(weights.statistics);
  }
  const { value, standardError, parts } = score;
  return { step, validation: { value, standardError, best, ...(parts && { parts }) } };
}

/** Whether so many validations in a row were no better that training should end. */
export const outOfPatience = (state: ValidationState | undefined, patience: number): boolean =>
  state !== undefined && patience > 0 && state.waited >= patience;
