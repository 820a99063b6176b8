export {
  type AcceptCurve,
  type AcceptPoint,
  curvePoints,
  type FalseAcceptRate,
  falseAcceptRateAt,
} from "./accept-curve.ts";
export {
  type CopyOptions,
  type CopyWeight,
  checkCopies,
  copyTemplates,
  copyWeights,
  defaultCopySizes,
  defaultCopyWeight,
  type EnrolledFaces,
  enrolFaces,
} from "./copies.ts";
export {
  type CopyPairs,
  copyGalleryRows,
  copyPairScores,
  copyProbeRows,
  openCopyMatcher,
  weighScores,
} from "./copy-matcher.ts";
export { type Identification, type IdentificationTask, identify } from "./identify.ts";
export { type Matcher, openMatcher, type ScoreBlock, scanBlocks } from "./matcher.ts";
export { type MatrixRates, type MatrixTask, matrixTar } from "./matrix.ts";
export { cmc, type OpenSetOptions, type OpenSetPoint, openSet } from "./open-set.ts";
export { scorePairs } from "./pairs.ts";
export * from "./portable.ts";
export { type PersonCount, shareInterval, shareIntervalOfPeople } from "./proportion.ts";
export { allowedImpostors, type OperatingPoint, type Roc, rocCurve, tarAtFar } from "./rates.ts";
export { type RowSource, rowsOf, type WorkOptions } from "./rows.ts";
export { poolTemplates, type TemplateMembers } from "./templates.ts";
export { createTopK, type TopK } from "./top-k.ts";
