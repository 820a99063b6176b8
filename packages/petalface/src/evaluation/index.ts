export { type EvaluatePairsOptions, type EvaluationProgress, evaluatePairs } from "./evaluate.ts";
export { measureEmbeddings, type ProtocolEmbeddings } from "./measure.ts";
export { type SyntheticPairsOptions, syntheticPairs } from "./protocols/drawn-pairs.ts";
export { type EvaluateMatchOptions, evaluateMatch } from "./protocols/evaluate.ts";
export { embedFused, type FusedFaces } from "./protocols/fuse.ts";
export { findProtocol, type NamedProtocol, namedProtocols } from "./protocols/guides.ts";
export { type MatchOptions, measureMatch } from "./protocols/measure.ts";
export { printIntervals, resolveProtocol } from "./protocols/pairs.ts";
export { type ReadPairsOptions, readPairs } from "./protocols/pairs-file.ts";
export type { ProtocolPlaces } from "./protocols/places.ts";
export {
  type ReferenceVerification,
  referenceOf,
  referenceVerification,
} from "./protocols/reference-verification.ts";
export type { Comparisons, Fusion, MatchProtocol, Search } from "./protocols/types.ts";
export { readVerificationPairs } from "./protocols/verification.ts";
export { type LeftOut, measuredProtocol } from "./protocols/without.ts";
export { type Html, html, raw } from "./report/html.ts";
export type { HardestPairs, ReportFace, ReportPair, ReportSample } from "./report/pictures.ts";
export { type Report, renderReport, writeReport } from "./report/report.ts";
export { style as reportStyle } from "./report/style.ts";
export type { EmbeddingView, ViewedFaces } from "./report/views.ts";
export { type NamedComparison, verdictWords } from "./report/words.ts";
export { conditionLabel, degradationLabel, measureKey, measureLabel } from "./results/condition.ts";
export { type HardPair, hardestPairs } from "./results/hardest.ts";
export { loadEvaluation, saveEvaluation, withoutDetail } from "./results/store.ts";
export { listMeasures, type NamedResult, percent, printTable, type TableOptions } from "./results/table.ts";
export type * from "./results/types.ts";
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
