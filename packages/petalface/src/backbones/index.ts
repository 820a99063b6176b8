export { type EmbeddingModel, openEmbedder } from "./embedder.ts";
export { type Backbone, openBackbone } from "./open.ts";
export { toInput } from "./pixels.ts";
export type { Embedder, Embeddings } from "./types.ts";
