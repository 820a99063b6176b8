export { resizeBilinear } from "./bilinear.ts";
export { decodeImage, imageExtensions } from "./decode.ts";
export { createDegrader, type Degrader, degrade, parseDegradation, printDegradation } from "./degrade.ts";
export { drawFace, type FaceDraw, type FaceSpace, openFaceSpace } from "./facespace.ts";
export { type Loader, type LoaderOptions, openLoader } from "./loader.ts";
export { printPath } from "./path.ts";
export { flip, toPlanes } from "./pixels.ts";
export { prefetch } from "./prefetch.ts";
export type { Degradation, ImageRequest, ImageSource, Pixels } from "./types.ts";
