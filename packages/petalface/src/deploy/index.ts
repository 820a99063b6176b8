export { type Contract, type TargetName, type ThresholdUnit, targetNames } from "./contract.ts";
export { enrolledNotes, type GateUse } from "./enrolled.ts";
export { type Deployed, type Form, fitGraph, formFor } from "./fit.ts";
export { descriptionOf, type Places, placesOf } from "./layout.ts";
export { looksUnnormalised } from "./names.ts";
export { contractOf, contracts } from "./targets.ts";
export {
  type AlphaRange,
  type Comparisons as ThresholdComparisons,
  cosinesByAlpha,
  fewestAccepted,
  measureThresholds,
  type Threshold,
  type Thresholds,
} from "./thresholds.ts";
export { inUnit, printThresholds, productThresholds, thresholdsIn, thresholdsKey } from "./units.ts";
