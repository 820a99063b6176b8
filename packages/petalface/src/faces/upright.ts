import { itemAt } from "onnx-grad";
import type { Pixels } from "../images/index.ts";
import { chooseFace, type FaceRule } from "./choose.ts";
import type { Detector } from "./detector.ts";
import type { DetectorKind } from "./detectors/layout.ts";
import { findFaces } from "./find.ts";
import {
  type Box,
  distance,
  type FivePoints,
  fitSimilarity,
  mapPoints,
  type Point,
  template,
  transform,
} from "./geometry.ts";
import { type Detection, isSameFace } from "./nms.ts";
import type { Locator } from "./points.ts";
import { type Turn, turnBack, turnPixels } from "./turns.ts";
import type { Attempt } from "./views.ts";

/**
 * A face with its points, in the photo as it is and in the photo rotated so that the face is
 * upright.
 */
export interface UprightFace {
  /** In pixels of the photo as it is. */
  readonly box: Box;
  readonly points: FivePoints;
  readonly score: number;
  readonly attempt: Attempt["name"];
  readonly weak: boolean;
  /** Quarter turns clockwise that bring the face upright. */
  readonly turn: Turn;
  /** The photo after these turns, and the face in it. */
  readonly rotated: { readonly pixels: Pixels; readonly points: FivePoints; readonly box: Box };
}

/** Which faces of a photo are wanted. */
export interface FaceChoice {
  readonly all: boolean;
  readonly rule: FaceRule;
  readonly threshold?: number | undefined;
}

/**
 * Limits that tell upright faces from others, measured on the LFW sample, upright and in all
 * quarter turns, at 250 px and with faces of 24 and 14 px. `unrest` is that of {@link Locator}:
 * upright faces of 24 px and more stay below 0.05, rotated ones lie above 0.06 with few exceptions,
 * which score less than upright ones do; then `unsureUnrest` counts. `shape`: mean distance of the
 * points from the template put on them, in distances between the eyes; upright frontal faces stay
 * below 0.21. `roll` in degrees.
 */
const doubtful = { unrest: 0.06, unsureUnrest: 0.03, shape: 0.3, roll: 45 } as const;
/** Points beyond these are no face's, whichever way the photo lies. */
const impossible = { unrest: 0.25, shape: 0.5 } as const;
/** Most upright faces score at least so much. */
const sureScore: Readonly<Record<DetectorKind, number>> = { scrfd: 0.75, yunet: 0.91, retinaface: 0.9, ultraface: 0.9 };
/**
 * The same for a detector's own points alone, where upside-down faces have points as of upright
 * ones. On 69 photos of the LFW sample SCRFD scores 0.75 and more for upright faces, and at most
 * 0.78 for the same upside down, always less than upright. It sees faces on their side as they lie:
 * the roll of its points is then about 90 degrees.
 */
const sureAlone: Readonly<Record<DetectorKind, number>> = { ...sureScore, scrfd: 0.8 };
/**
 * A face counts as rotated only where its unrest falls to this share when the photo is rotated;
 * without landmarks, its score rises so much.
 */
const clearly = { share: 0.6, score: 0.02 } as const;

interface Candidate extends UprightFace {
  readonly isDoubtful: boolean;
  readonly isImpossible: boolean;
  readonly found: Detection;
  readonly unrest: number | undefined;
  /** Quarter turns after which its points would be those of an upright face. */
  readonly turnOfPoints: Turn;
}

/**
 * Finds the faces of a photo with their points, also in a rotated photo without an EXIF tag. The
 * photo is first examined as it is; only where a face's points do not fit an upright face, or no
 * try was sure, it is looked at again after quarter turns, and each face is kept as its points fit
 * best. Faces whose points fit in no way are left out.
 */
export async function findUpright(
  photo: Pixels,
  detector: Detector,
  locator: Locator,
  choice: FaceChoice,
): Promise<UprightFace[]> {
  const look = createLook(photo, detector, locator, choice);
  const plain = await look(0);
  const faces = choice.all ? await turnEach(plain, look, locator, photo) : await turnWhole(plain, look, locator, photo);
  return faces.filter((face) => !face.isImpossible);
}

type Look = (turn: Turn, only?: Attempt["name"]) => Promise<Candidate[]>;

function createLook(photo: Pixels, detector: Detector, locator: Locator, choice: FaceChoice): Look {
  const { all, rule, threshold } = choice;
  return async (turn, only) => {
    const pixels = turnPixels(photo, turn);
    const found = await findFaces(pixels, detector, { all, threshold, only });
    if (found === undefined) return [];
    const back = turnBack(turn, photo.width, photo.height);
    const chosen = all ? found.faces : [chooseFace(found.faces, pixels.width, pixels.height, rule)];
    const candidates: Candidate[] = [];
    for (const face of chosen) {
      const located = await locator.locate(pixels, face);
      const fit = located && shapeOf(located.points);
      if (located === undefined || fit === undefined) continue;
      const { points, unrest } = located;
      const { attempt, weak } = found;
      candidates.push({
        box: boxBack(face.box, back),
        points: mapPoints(points, back),
        score: face.score,
        attempt,
        weak,
        turn,
        rotated: { pixels, points, box: face.box },
        found: face,
        unrest,
        turnOfPoints: quarterOf(fit.roll),
        isDoubtful:
          weak ||
          fit.shape > doubtful.shape ||
          Math.abs(fit.roll) > doubtful.roll ||
          isUnrestful(unrest, face.score < (unrest === undefined ? sureAlone : sureScore)[detector.kind]),
        isImpossible: fit.shape > impossible.shape || (unrest ?? 0) > impossible.unrest,
      });
    }
    return candidates;
  };
}

/** Without landmarks the score alone says whether points may be wrong. */
const isUnrestful = (unrest: number | undefined, isUnsure: boolean): boolean =>
  unrest === undefined ? isUnsure : unrest > (isUnsure ? doubtful.unsureUnrest : doubtful.unrest);

/** Quarter turns nearest to an angle in degrees. */
const quarterOf = (degrees: number): Turn => ((Math.round(degrees / 90) + 4) % 4) as Turn;

/**
 * How far points are from a face's shape, and the angle in degrees by which that face is rotated.
 */
function shapeOf(points: FivePoints): { readonly shape: number; readonly roll: number } | undefined {
  const side = 112;
  const target = template(side);
  const place = fitSimilarity(points, target);
  if (place === undefined) return undefined;
  const off = points.reduce((sum, point, at) => sum + distance(transform(place, point), itemAt(target, at)), 0);
  return {
    shape: off / points.length / distance(target[0], target[1]),
    roll: (Math.atan2(place.b, place.a) * 180) / Math.PI,
  };
}

function boxBack([left, top, right, bottom]: Box, back: (point: Point) => Point): Box {
  const [[x, y], [u, v]] = [back([left, top]), back([right, bottom])];
  return [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
}

const turns = [1, 2, 3] as const;

/**
 * The one face that a photo is of: as it was found, or as it is found after a turn where that fits
 * clearly better.
 */
async function turnWhole(plain: Candidate[], look: Look, locator: Locator, photo: Pixels): Promise<Candidate[]> {
  const [face] = plain;
  if (face !== undefined && !face.isDoubtful) return plain;
  // Own points that look upright may be upside down.
  const hint = face && ((await turnHint(face, locator, photo)) ?? (face.unrest === undefined ? 2 : undefined));
  const order = hint === undefined ? turns : [hint, ...turns.filter((turn) => turn !== hint)];
  let best = face;
  for (const turn of order) {
    const [other] = await look(turn, face?.attempt ?? "whole");
    if (other === undefined || !isClearlyBetter(other, best, best === face)) continue;
    best = other;
    if (!best.isDoubtful) break;
  }
  return best === undefined ? [] : [best];
}

/** The turn after which a face is likely to be upright, if anything says so. */
const turnHint = async (face: Candidate, locator: Locator, photo: Pixels): Promise<Turn | undefined> =>
  face.unrest === undefined ? face.turnOfPoints || undefined : await locator.likelyTurn(photo, face.found, face.unrest);

/**
 * Every face, each as it fits best. Only turns are looked at that a doubtful face asks for; all,
 * where no face was sure.
 */
async function turnEach(plain: Candidate[], look: Look, locator: Locator, photo: Pixels): Promise<Candidate[]> {
  const asked = new Set<Turn>();
  for (const face of plain) {
    const hint = face.isDoubtful ? await turnHint(face, locator, photo) : undefined;
    if (hint !== undefined) asked.add(hint);
  }
  const nothingSure = plain.every((face) => face.weak || (face.unrest === undefined && face.isDoubtful));
  let kept = plain;
  for (const turn of turns.filter((turn) => nothingSure || asked.has(turn))) {
    for (const other of await look(turn)) {
      if (other.isDoubtful) continue;
      const same = kept.filter(({ box }) => isSameFace(box, other.box));
      if (same.every((face) => isClearlyBetter(other, face, face.turn === 0)))
        kept = [...kept.filter((face) => !same.includes(face)), other];
    }
  }
  return kept;
}

/** Whether a face fits better after a turn; `clear` asks for more than a little. */
function isClearlyBetter(other: Candidate, face: Candidate | undefined, clear: boolean): boolean {
  if (face === undefined) return true;
  if (other.isImpossible || (other.isDoubtful && !face.isDoubtful)) return false;
  if (face.isImpossible || (other.weak !== face.weak && face.weak)) return true;
  if (other.weak !== face.weak) return false;
  if (other.unrest === undefined || face.unrest === undefined) {
    // Own points say themselves which of two is on its side.
    if ((other.turnOfPoints === 0) !== (face.turnOfPoints === 0)) return other.turnOfPoints === 0;
    return other.score > face.score + (clear ? clearly.score : 0);
  }
  return other.unrest < (clear ? clearly.share : 1) * face.unrest;
}
