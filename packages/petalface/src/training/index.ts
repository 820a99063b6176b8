export {
  type AdaptContext,
  type AdaptRequest,
  type AdaptResult,
  adapt,
  type ResumeChanges,
  resume,
} from "./adapt.ts";
export { type TrainingGraph, trainingGraph } from "./graph.ts";
export type { MetricsRecord, StepRecord } from "./metrics.ts";
export {
  arcGradientNames,
  baseNames,
  batchNormNames,
  calibrationNames,
  decayNames,
  firstStepNames,
  type LossName,
  lossNames,
  presetNames,
} from "./option-names.ts";
export { type TrainingChoices, type TrainingOptions, trainingOptions } from "./options.ts";
export * from "./portable.ts";
export { mayBeginWith, type RunRecord, readRun } from "./run.ts";
export type {
  OpenValidator,
  ValidationRecord,
  ValidationRequest,
  ValidationScore,
  Validator,
} from "./validation.ts";
