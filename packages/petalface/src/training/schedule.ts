import type { TrainingOptions } from "./options.ts";

/**
 * Learning rate of a step (counted from 0): linear warm-up, then cosine (Loshchilov and Hutter 2017) or linear ("polynomial" of
 * power 1) decay to zero after the last step.
 */
export function learningRate(
  options: Pick<TrainingOptions, "learningRate" | "warmup" | "decay">,
  step: number,
  steps: number,
): number {
  const warm = Math.round(options.warmup * steps);
  if (step < warm) return (options.learningRate * (step + 1)) / warm;
  const progress = (step - warm) / Math.max(1, steps - warm);
  return options.learningRate * (options.decay === "cosine" ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - progress);
}
