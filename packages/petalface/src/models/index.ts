export { cacheFolder } from "../cache.ts";
export { cachedPath, isCached } from "./fetch.ts";
export { hashFile, weightsKey } from "./hash.ts";
export { defaultPreprocessing, knownDetectors, knownModels } from "./known.ts";
export { parsePreprocessing, preprocessingMetadata } from "./metadata.ts";
export { parseNormalize, printNormalize } from "./normalize.ts";
export { type ResolvedModel, type ResolveOptions, resolveModel } from "./resolve.ts";
export type { KnownModel, ModelChoices, ModelSpec, Preprocessing, PreprocessingSource } from "./types.ts";
