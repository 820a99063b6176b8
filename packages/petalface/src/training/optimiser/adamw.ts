import type { Moments } from "./moments.ts";

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

/**
 * One AdamW step in place (Loshchilov and Hutter 2019, algorithm 2; betas 0.9 and 0.999, epsilon
 * 1e-8). `step` counts from 1. `gradientScale` multiplies the gradient first (clipping).
 */
export function adamw(
  values: Float32Array,
  gradient: Float32Array,
  moments: Moments,
  step: number,
  options: { readonly rate: number; readonly weightDecay: number; readonly gradientScale: number },
): void {
  const { first, second } = moments;
  const { rate, weightDecay, gradientScale } = options;
  const size = rate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  for (let i = 0; i < values.length; i++) {
    const g = gradient[i] * gradientScale;
    const m = beta1 * first[i] + (1 - beta1) * g;
    const v = beta2 * second[i] + (1 - beta2) * g * g;
    first[i] = m;
    second[i] = v;
    values[i] = values[i] * (1 - rate * weightDecay) - (size * m) / (Math.sqrt(v) * correction + epsilon);
  }
}

/** L2 norm of a vector, summed in double precision. */
export function l2Norm(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ** 2;
  return Math.sqrt(sum);
}

/**
 * Factor that brings a norm down to `limit`; 1 where it is below (the rule of PyTorch's
 * clip_grad_norm_).
 */
export const clipFactor = (norm: number, limit: number): number => Math.min(1, limit / (norm + 1e-6));
