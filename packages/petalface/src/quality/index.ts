export { alphaOf, buildAlpha, printCalibration, qualityGraph } from "./alpha.ts";
export { calibrate, calibrateAsPaper, knowsPhotos, photoCalibration, quantile, rangeCalibration } from "./calibrate.ts";
export { type Histogram, histogramOf } from "./histogram.ts";
export { isGiven, measureNames, measureOf, weightSources, weightsUsage } from "./measures.ts";
export { measureName, openMeasure } from "./open.ts";
export { spearman } from "./spearman.ts";
export { parseCalibration } from "./store.ts";
export type { Calibration, LinearCalibration, PaperCalibration, QualityMeasure } from "./types.ts";
export { type QualityTensor, type QualityWeights, qualityWeights } from "./weights.ts";
