export { applyCamera } from "./apply.ts";
export { cameraPresets } from "./presets.ts";
export { resample } from "./resample.ts";
export { drawCamera, mildestCamera, parseCamera, printCamera } from "./spec.ts";
export type * from "./types.ts";
