export { initialStatistics } from "./batch-norm.ts";
export { backboneRecord, choicesOfRecord, quantisedAdvice, refuseOther, refuseQuantised } from "./belongs.ts";
export { type AdaptedBuild, type BuildOptions, buildAdapted } from "./build.ts";
export { requireGateToCentre } from "./centre.ts";
export { combineAdapters, type Summand } from "./combine.ts";
export { type Adapter, type AdapterConfig, adaptsSites, gateAt, type Method, methodNames, rankAt } from "./config.ts";
export {
  type ExportAlpha,
  type ExportOutputs,
  exportedGraph,
  exportModel,
  exportOutputs,
  withOutputs,
} from "./formats/export.ts";
export { type FoundAdapterOptions, foundAdapter, saveFoundAdapter } from "./formats/import.ts";
export {
  type ChangeLevel,
  exportLevels,
  type LevelsFile,
  levelFiles,
  openLevels,
} from "./formats/levels.ts";
export { levelsGraph } from "./formats/levels-graph.ts";
export { mergeAdapter } from "./formats/merge.ts";
export type { LowRankTensor } from "./formats/parts.ts";
export { type PeftAdapter, peftFiles, savePeft } from "./formats/peft.ts";
export { type Examples, inPrecision, type Precision, precisionNames } from "./formats/precision.ts";
export { isReferenceLowRank, referenceAdapter, saveReference, toReference } from "./formats/reference.ts";
export { closesOnSharp, type Gate, gateNames, gateParts, gateWeights } from "./gate.ts";
export { adapterHash } from "./hash.ts";
export { initialTheta, type LoraInit, loraInitNames } from "./initial.ts";
export { type Layered, type Layout, layoutOf, type Slot } from "./layout.ts";
export { mirroredModel, mirrorMetadata, mirrorWeight, withMirror } from "./mirror.ts";
export { adaptedModel, alphaOutput } from "./model.ts";
export type { NoiseInput } from "./noise.ts";
export { renameValues } from "./own-names.ts";
export { proveSites } from "./prove.ts";
export { matchSites, selectSites } from "./select.ts";
export { findSites, printRows, type Site, type SiteList, type UnfitLayer } from "./sites.ts";
export { adapterChoices, adapterFiles, loadAdapter, refuseOldIdentity, saveAdapter } from "./store.ts";
