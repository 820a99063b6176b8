import type { Pixels } from "../images/index.ts";
import type { Detector } from "./detector.ts";
import { type Detection, joinViews } from "./nms.ts";
import { type Attempt, attemptsFor, draw, toPhoto } from "./views.ts";

/** Faces of a photo, and how they were found. */
export interface Found {
  /** In pixels of the photo, best first; at least one. */
  readonly faces: readonly Detection[];
  readonly attempt: Attempt["name"];
  /**
   * The detector was not sure: no try reached its threshold, and these are the best of all tries.
   */
  readonly weak: boolean;
}

/** What to look for. */
interface FindOptions {
  /** Every face, not only those of the first try that finds any. */
  readonly all?: boolean | undefined;
  /** Score from which on a box counts as a face; the detector's own unless given. */
  readonly threshold?: number | undefined;
  /** The only kind of try that is made; not with `all`. */
  readonly only?: Attempt["name"] | undefined;
}

/**
 * A photo in which no try found a face gets the best of all boxes, if its score reaches this share
 * of the threshold.
 */
const weakShare = 0.6;

/**
 * Looks for faces with one try after another (see {@link attemptsFor}) until one finds any; with
 * `all` it makes the tries at all sizes and joins what they find.
 *
 * @returns undefined where there seems to be none
 */
export async function findFaces(
  photo: Pixels,
  detector: Detector,
  { all = false, threshold = detector.threshold, only }: FindOptions = {},
): Promise<Found | undefined> {
  const tries = attemptsFor(photo.width, photo.height, detector, all);
  const attempts = all || only === undefined ? tries : tries.filter(({ name }) => name === only);
  let best: Found | undefined;
  const sure: Detection[] = [];
  let name: Attempt["name"] | undefined;
  for (const attempt of attempts) {
    // The border only helps where nothing is found without it.
    if (all && sure.length > 0 && attempt.name === "border") continue;
    const found = await look(photo, detector, attempt, threshold * weakShare);
    const faces = found.filter(({ score }) => score >= threshold);
    if (faces.length > 0) {
      name ??= attempt.name;
      sure.push(...faces);
      if (!all) break;
    }
    const [first] = found;
    if (first !== undefined && first.score > (best?.faces[0]?.score ?? 0))
      best = { faces: [first], attempt: attempt.name, weak: true };
  }
  return name === undefined ? best : { faces: joinViews(sure), attempt: name, weak: false };
}

async function look(photo: Pixels, detector: Detector, { views }: Attempt, least: number): Promise<Detection[]> {
  const found: Detection[] = [];
  for (const view of views) found.push(...toPhoto(await detector.detect(draw(photo, view), least), view));
  return views.length > 1 ? joinViews(found) : found;
}
