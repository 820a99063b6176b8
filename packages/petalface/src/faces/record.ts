import type { Box, FivePoints } from "./geometry.ts";
import type { Attempt } from "./views.ts";

/** One aligned face: one line of a manifest. Coordinates are pixels of the upright photo. */
export interface FaceRecord {
  /** The crop, relative to the manifest's folder, with `/`. */
  readonly path: string;
  readonly person?: string;
  /** The photo or video, relative to what was aligned, with `/`. */
  readonly source: string;
  /** Bytes of that file. */
  readonly bytes: number;
  /** Of a video: number of the frame among those taken, from 1, and its time in seconds. */
  readonly frame?: number;
  readonly time?: number;
  /** Which of the photo's crops this is, from 1, and how many it has. */
  readonly face: number;
  readonly faces: number;
  /** Whether the crop lies on the template; false: a centred square, since no face was found. */
  readonly aligned: boolean;
  readonly fallback: "centre" | null;
  readonly box: Box | null;
  readonly points: FivePoints | null;
  /** The detector's, 0 to 1. */
  readonly score: number | null;
  /**
   * Degrees clockwise by which the photo was rotated to make this face upright; `box` and `points`
   * are in the photo before rotation.
   */
  readonly rotation: 0 | 90 | 180 | 270;
  /** The try that found the face; see `attemptsFor`. */
  readonly attempt: Attempt["name"] | null;
  /** Whether the score is below the detector's threshold, and the face the best of all tries. */
  readonly weak: boolean;
  /** Pixels of the crop for one of the photo. */
  readonly scale: number;
  /** Effective resolution: pixels of the photo along a side of the crop. */
  readonly resolution: number;
  /** Sides of the photo. */
  readonly width: number;
  readonly height: number;
}

/** A photo or video of which nothing can be written: a line of the list of those. */
export interface FailureRecord {
  readonly source: string;
  readonly bytes: number;
  readonly error: string;
}

/** Any line of a manifest that is being written. */
export type Line = FaceRecord | FailureRecord;

/** Whether a line says that a source could not be read. */
export const isFailure = (line: Line): line is FailureRecord => "error" in line;

/** Numbers as they are written: places of 1/100 px, which is finer than any detector. */
export const rounded = (value: number, places = 2): number => Number(value.toFixed(places));
