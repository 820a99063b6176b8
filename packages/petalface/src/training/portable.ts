export { clipFactor, l2Norm } from "./optimiser/adamw.ts";
export type { Moments } from "./optimiser/moments.ts";
export { freshMoments, optimize, optimizerNames } from "./optimiser/optimizer.ts";
export { learningRate } from "./optimiser/schedule.ts";
export type { TrainingOptions } from "./options/presets.ts";
export { type Draw, sampler } from "./steps/sampler.ts";
