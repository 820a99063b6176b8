export { alphaOf, buildAlpha, qualityGraph } from "./alpha.ts";
export { calibrate, photoCalibration, quantile } from "./calibrate.ts";
export { measureNames, measureOf } from "./measures.ts";
export type { Calibration, QualityMeasure } from "./types.ts";
