export type { ScanOptions } from "./cached.ts";
export { openData } from "./open.ts";
export { type FaceLoader, skipUnreadable } from "./skip.ts";
export { subset } from "./subset.ts";
export type { FaceData, Sample } from "./types.ts";
export { createTally, printUnreadable, type Tally, tooMany, type Unreadable } from "./unreadable.ts";
