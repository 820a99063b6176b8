export { distillation } from "./losses/losses.ts";
export { type LossName, lossNames } from "./losses/names.ts";
export { type GroupName, groups } from "./options/kinds.ts";
export { checkOption, choicesAmong, type TrainingChoices, trainingOptions } from "./options/options.ts";
export { shrinkingRecipe } from "./options/presets.ts";
export { flagOf, type OptionEntry, type OptionName, optionEntries, optionTable, presetNames } from "./options/table.ts";
export * from "./portable.ts";
export {
  type AdaptRequest,
  type AdaptResult,
  adapt,
  resume,
} from "./run/adapt.ts";
export { mildestDraw } from "./run/calibration.ts";
export { adapterCard, adapterCardFile } from "./run/card.ts";
export type { MetricsRecord, StepRecord } from "./run/metrics.ts";
export type { RunPlan, RunRecord } from "./run/record.ts";
export { mayBeginWith, readRun, requireEmpty } from "./run/run.ts";
export type { AdaptContext, ResumeChanges } from "./run/types.ts";
export type {
  OpenValidator,
  ValidationRecord,
  ValidationRequest,
  ValidationScore,
  Validator,
} from "./run/validation.ts";
export { anchorFaces, anchorsOfStep } from "./steps/anchors.ts";
export { type TrainingGraph, trainingGraph } from "./steps/graph.ts";
export { epochsOfSteps, stepsOf } from "./steps/sampler.ts";
export { trainingSession } from "./steps/session.ts";
export { createTargetCache, type TargetCache } from "./steps/targets.ts";
