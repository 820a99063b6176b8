export { type AlignContext, type AlignRequest, alignFaces } from "./align.ts";
export { noFfmpeg } from "./batches.ts";
export { type Belief, believeGeometry } from "./believed.ts";
export { chooseFace, type FaceRule, faceRules } from "./choose.ts";
export { createCropFaces } from "./crop.ts";
export { type Detector, openDetector, resolveDetector } from "./detector.ts";
export type { DetectorKind } from "./detectors/layout.ts";
export { type Found, findFaces } from "./find.ts";
export {
  type Box,
  centre,
  type FivePoints,
  fitSimilarity,
  type Point,
  type Similarity,
  template,
} from "./geometry.ts";
export { type Judgement, judgeAlignment } from "./judge.ts";
export { type Landmarker, openLandmarker } from "./landmarks.ts";
export { alignedLists } from "./log.ts";
export { type Detection, intersectionOverUnion } from "./nms.ts";
export { createLocator, type Located, type Locator } from "./points.ts";
export type { FaceRecord, FailureRecord } from "./record.ts";
export { type AlignSettings, templateOfAligned } from "./settings.ts";
export { countSources, isVideo, type Source, type SourceCount, sourceOfFile, walkSources } from "./sources.ts";
export type { AlignSummary } from "./summary.ts";
export { type CropTemplate, cropFor, cropTemplates, type Face, placeFor } from "./templates.ts";
export { findFfmpeg, streamFrames, videoFrames } from "./video.ts";
export { warp } from "./warp.ts";
export { type CropFormat, cropFormats } from "./work.ts";
