export { type AdaptContext, type AdaptRequest, type AdaptResult, adapt, resume } from "./adapt.ts";
export type { StepRecord } from "./metrics.ts";
export {
  calibrationNames,
  decayNames,
  type LossName,
  lossNames,
  presetNames,
  type TrainingChoices,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
export { type RunRecord, readRun } from "./run.ts";
