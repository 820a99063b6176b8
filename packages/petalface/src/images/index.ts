export { decodeImage } from "./decode.ts";
export { imageExtensions, refusedFormat } from "./formats.ts";
export { type Loader, type LoaderOptions, openLoader } from "./loader.ts";
export { faceSpacePath, openFaceSpace } from "./open-facespace.ts";
export { printPath } from "./path.ts";
export * from "./portable.ts";
export { prefetch } from "./prefetch.ts";
export type { ImageRequest, ImageSource } from "./types.ts";
