export { type EmbeddingModel, openEmbedder } from "./embedder.ts";
export { type Backbone, openBackbone } from "./open.ts";
export * from "./portable.ts";
export type { Embedder, Embeddings } from "./types.ts";
