export { openData } from "./open.ts";
export { subset } from "./subset.ts";
export type { FaceData, Sample } from "./types.ts";
