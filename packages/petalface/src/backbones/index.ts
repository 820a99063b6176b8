export {
  type Architecture,
  type ArchitectureSpec,
  architectureNames,
  buildNetwork,
  parseArchitecture,
  preprocessingOf,
  printArchitecture,
} from "./architecture.ts";
export type { Backbone, FileForm } from "./backbone.ts";
export { detectArchitecture } from "./detect.ts";
export { type EmbeddingModel, facesAtOnce, openEmbedder } from "./embedder.ts";
export { rowsNotFinite } from "./finite.ts";
export {
  architectureKey,
  type MatchedNetwork,
  matchNetwork,
  networkFiles,
  trainingWeight,
  type WriteNetworkOptions,
  type WrittenNetwork,
  writeNetwork,
} from "./import.ts";
export { familyOf, maskTokens } from "./masked.ts";
export { fillNetwork, type Network } from "./networks/layers.ts";
export { keptTokens, type VitShape, vit } from "./networks/vit.ts";
export type { InnerNormalisation } from "./normalisation.ts";
export { alphaKey, levelsAlpha, openBackbone } from "./open.ts";
export * from "./portable.ts";
export { fileForm, imageShape } from "./standard-form.ts";
export type { Embedder, Embeddings, ExternalScores } from "./types.ts";
export { quantisedNodes } from "./usable.ts";
export { writeModelFile } from "./write.ts";
