export { clipFactor, l2Norm } from "./adamw.ts";
export { freshMoments, type Moments, optimize, optimizerNames } from "./optimizer.ts";
export { type Draw, sampler } from "./sampler.ts";
export { learningRate } from "./schedule.ts";
