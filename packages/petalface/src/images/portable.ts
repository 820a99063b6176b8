export { resizeBilinear } from "./bilinear.ts";
export {
  createDegrader,
  type Degrader,
  degrade,
  drawDegradation,
  mildestDegradation,
  parseDegradation,
  printDegradation,
} from "./degrade.ts";
export { drawFace, type FaceDraw, type FaceSpace, faceSpaceOf } from "./facespace.ts";
export { flip, fromPlanes, toPlanes } from "./pixels.ts";
export type { Degradation, DegradationSpec, Pixels } from "./types.ts";
