export { type EmbeddedFaces, type EmbedFacesOptions, embedFaces, type LeftFace } from "./embed.ts";
export { faceKey } from "./face-key.ts";
export { openOptionalStore } from "./optional.ts";
export { type EmbeddingFile, openEmbeddingFile } from "./row-file.ts";
export { type EmbeddingStore, openEmbeddingStore, type StoreOptions } from "./store.ts";
