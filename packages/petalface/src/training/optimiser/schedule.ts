import type { TrainingOptions } from "../options/options.ts";

/**
 * Learning rate of a step (counted from 0): linear warm-up, then cosine (Loshchilov and Hutter
 * 2017) or linear ("polynomial" of power 1) decay to zero after the last step, or none: a run with
 * warm-up in epochs and no decay can be made longer as if planned so. With `firstStep` full the
 * first step has the peak rate and the rise begins with the second, as the released code's
 * scheduler has it; its running product is the same line up to rounding.
 * @param epoch steps of an epoch, which `warmupEpochs` counts in
 */
export function learningRate(
  options: Pick<TrainingOptions, "learningRate" | "warmup" | "warmupEpochs" | "firstStep" | "decay">,
  step: number,
  steps: number,
  epoch: number,
): number {
  const { learningRate: peak, warmup, warmupEpochs, firstStep, decay } = options;
  const warm = Math.round(warmupEpochs > 0 ? warmupEpochs * epoch : warmup * steps);
  if (firstStep === "full" && step === 0) return peak;
  if (step < warm) return (peak * (step + (firstStep === "full" ? 0 : 1))) / warm;
  if (decay === "none") return peak;
  const progress = (step - warm) / Math.max(1, steps - warm);
  return peak * (decay === "cosine" ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - progress);
}
