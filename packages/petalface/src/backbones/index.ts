export {
  type Architecture,
  type ArchitectureSpec,
  architectureNames,
  buildNetwork,
  parseArchitecture,
  printArchitecture,
} from "./architecture.ts";
export { type EmbeddingModel, openEmbedder } from "./embedder.ts";
export { fillNetwork, type Network } from "./networks/layers.ts";
export { keptTokens, type VitShape, vit } from "./networks/vit.ts";
export { type Backbone, openBackbone } from "./open.ts";
export * from "./portable.ts";
export type { Embedder, Embeddings } from "./types.ts";
