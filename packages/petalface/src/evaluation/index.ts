export { printQualityBins, type QualityBin, type QualityBins, qualityBins, type RejectPoint } from "./bins.ts";
export { type Comparison, compareMethods, compareResults, correctForMany, type Difference } from "./compare.ts";
export { conditionLabel, degradationLabel, measureKey, measureLabel } from "./condition.ts";
export { type EvaluatePairsOptions, type EvaluationProgress, evaluatePairs } from "./evaluate.ts";
export type { Grouping } from "./groups.ts";
export { type HardPair, hardestPairs } from "./hardest.ts";
export * from "./matching/index.ts";
export { meanResult } from "./mean.ts";
export { measureEmbeddings, type ProtocolEmbeddings } from "./measure.ts";
export { type ReadPairsOptions, readPairs } from "./pairs-file.ts";
export { printIntervals, resolveProtocol } from "./protocol.ts";
export { type EvaluateMatchOptions, evaluateMatch } from "./protocols/evaluate.ts";
export { embedFused, type FusedFaces } from "./protocols/fuse.ts";
export { findProtocol, type NamedProtocol, namedProtocols } from "./protocols/guides.ts";
export { type MatchOptions, measureMatch } from "./protocols/measure.ts";
export type { ProtocolPlaces } from "./protocols/places.ts";
export {
  type ReferenceVerification,
  referenceOf,
  referenceVerification,
} from "./protocols/reference-verification.ts";
export type { Comparisons, Fusion, MatchProtocol, Search } from "./protocols/types.ts";
export { readVerificationPairs } from "./protocols/verification.ts";
export { type Html, html, raw } from "./report/html.ts";
export type { HardestPairs, ReportFace, ReportPair, ReportSample } from "./report/pictures.ts";
export { type Report, renderReport, writeReport } from "./report/report.ts";
export { style as reportStyle } from "./report/style.ts";
export { type NamedComparison, verdictWords } from "./report/words.ts";
export { type MeasureName, type OperatingChoice, prepareStatistics, type Statistics } from "./statistics.ts";
export { loadEvaluation, saveEvaluation, withoutDetail } from "./store.ts";
export { defaultFars, identicalShare, type Measured, type MeasureOptions, summariseOutcomes } from "./summary.ts";
export { type SyntheticPairsOptions, syntheticPairs } from "./synthetic-pairs.ts";
export { listMeasures, type NamedResult, percent, printTable, type TableOptions } from "./table.ts";
export { type ThinOptions, thinComparisons } from "./thin.ts";
export type * from "./types.ts";
export type { EmbeddingView, ViewedFaces } from "./views.ts";
export { type LeftOut, measuredProtocol } from "./without.ts";
