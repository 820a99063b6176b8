export { alphaOf, buildAlpha, printCalibration, qualityGraph } from "./alpha.ts";
export { calibrate, calibrateAsPaper, photoCalibration, quantile } from "./calibrate.ts";
export { measureNames, measureOf } from "./measures.ts";
export { parseCalibration } from "./store.ts";
export type { Calibration, LinearCalibration, PaperCalibration, QualityMeasure } from "./types.ts";
