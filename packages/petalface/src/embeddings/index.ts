export { type Centred, centreAdapter, fewestCrops } from "./centre.ts";
export { embedFaces } from "./divided.ts";
export type { EmbeddedFaces, EmbedFacesOptions, LeftFace } from "./embed.ts";
export { type EnrolledPart, embedEnrolled } from "./enrol.ts";
export { faceKey } from "./face-key.ts";
export { type EmbeddedGroups, embedGroups } from "./groups.ts";
export { openOptionalStore } from "./optional.ts";
export { type EmbeddingFile, openEmbeddingFile } from "./row-file.ts";
export { type EmbeddingStore, openEmbeddingStore, type StoreOptions } from "./store.ts";
