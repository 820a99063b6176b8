export {
  countEmbeddings,
  createKeptGallery,
  type EvaluateOptions,
  type EvaluationProgress,
  evaluate,
  type KeptGallery,
} from "./evaluate.ts";
export {
  type FaceRows,
  type MeasureRowsOptions,
  measureEmbeddings,
  measureRows,
  type PairCopies,
  type PairEmbeddings,
} from "./measure.ts";
export { type SyntheticPairsOptions, syntheticPairs } from "./protocols/drawn-pairs.ts";
export { type CopyRows, enrolledFaces } from "./protocols/enrol.ts";
export { embedFused, type FusedFaces } from "./protocols/fuse.ts";
export { findProtocol, type NamedProtocol, namedProtocols } from "./protocols/guides.ts";
export { findImages, printIntervals, protocolOfPairs } from "./protocols/pairs.ts";
export { type ReadPairsOptions, readPairs } from "./protocols/pairs-file.ts";
export type { ProtocolPlaces } from "./protocols/places.ts";
export {
  type ReferenceVerification,
  referenceOf,
  referenceVerification,
} from "./protocols/reference-verification.ts";
export type { Comparisons, Fusion, Protocol, Search } from "./protocols/types.ts";
export { readVerificationPairs } from "./protocols/verification.ts";
export { type Html, html, raw } from "./report/html.ts";
export type { NearestPicture } from "./report/nearest-section.ts";
export type { HardestPairs, ReportFace, ReportPair, ReportSample } from "./report/pictures.ts";
export { type Report, renderReport, writeReport } from "./report/report.ts";
export { style as reportStyle } from "./report/style.ts";
export type { EmbeddingView, ViewedFaces } from "./report/views.ts";
export { type NamedComparison, verdictWords } from "./report/words.ts";
export { measureResolution, type ResolutionOptions } from "./resolution.ts";
export { conditionLabel, degradationLabel, measureKey, measureLabel } from "./results/condition.ts";
export { type HardPair, hardestPairs } from "./results/hardest.ts";
export { givenFaces, printIdentical, printResolution } from "./results/legend.ts";
export { percent } from "./results/percent.ts";
export { labelled, loadEvaluation, saveEvaluation, withoutDetail } from "./results/store.ts";
export { listMeasures, type NamedResult, printTable, type TableOptions } from "./results/table.ts";
export type * from "./results/types.ts";
export { searchInFocus } from "./statistics/alarms.ts";
export {
  printQualityBins,
  type QualityBin,
  type QualityBins,
  qualityBins,
  type RejectPoint,
} from "./statistics/bins.ts";
export { bootstrap, estimate, weighPairs } from "./statistics/bootstrap.ts";
export {
  type Comparison,
  compareMethods,
  compareResults,
  correctForMany,
  type Difference,
} from "./statistics/compare.ts";
export type { Grouping } from "./statistics/groups.ts";
export { meanResult } from "./statistics/mean.ts";
export { type MeasureName, type OperatingChoice, prepareStatistics, type Statistics } from "./statistics/measures.ts";
export {
  defaultFars,
  identicalShare,
  type Measured,
  type MeasureOptions,
  summariseOutcomes,
} from "./statistics/summary.ts";
export { type ThinOptions, thinComparisons } from "./statistics/thin.ts";
