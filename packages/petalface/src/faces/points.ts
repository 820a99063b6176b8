import { itemAt } from "onnx-grad";
import type { Pixels } from "../images/index.ts";
import type { DetectorKind } from "./detectors/layout.ts";
import { type Box, distance, type FivePoints, mapPoints } from "./geometry.ts";
import type { Landmarker } from "./landmarks.ts";
import type { Detection } from "./nms.ts";
import { type Turn, turnBack } from "./turns.ts";

/** The five points of a face, and how well they are settled. */
export interface Located {
  readonly points: FivePoints;
  /**
   * How far the landmark network moves the points that it found itself, in distances between the
   * eyes: an upright face's stay where they are, those of a face on its side or head do not, since
   * the network expects upright ones. Undefined where there is no network.
   */
  readonly unrest: number | undefined;
}

/** Finds the five points of detected faces. */
export interface Locator {
  locate(photo: Pixels, face: Detection): Promise<Located | undefined>;
  /**
   * The quarter turn of the photo after which a face would be upright, by the landmark network's
   * answer when it starts from points rotated likewise: undefined where it settles clearly better
   * in none of them, or there is no network.
   */
  likelyTurn(photo: Pixels, face: Detection, unrest: number | undefined): Promise<Turn | undefined>;
}

/** Where points come from. */
type PointSource = DetectorKind | "landmarks";

/**
 * How far each source's points lie from those that the template was made for, in distances between
 * the eyes, along the eyes and at a right angle to them: detectors were trained on different ideas
 * of where an eye or the corner of a mouth is. Medians over every other photo of a sample, checked
 * on the others (bench -- align).
 */
const systematicOffsets: Partial<Readonly<Record<PointSource, FivePoints>>> = {
  landmarks: [
    [0, 0.025],
    [0.002, 0.025],
    [0.013, -0.021],
    [-0.002, 0.014],
    [0.019, 0.007],
  ],
  scrfd: [
    [0.003, 0.018],
    [0.034, 0.023],
    [0.027, 0.012],
    [0.037, 0.017],
    [0.011, 0.006],
  ],
  yunet: [
    [-0.006, 0.009],
    [0.047, 0.031],
    [0.027, 0.029],
    [0.009, 0.01],
    [0.03, 0.003],
  ],
};

/**
 * Share of a detector's own points in the mean with the landmarks; the noisier they are the less.
 * 0: only the landmarks.
 */
const ownShare: Readonly<Record<DetectorKind, number>> = { scrfd: 0.4, yunet: 0, retinaface: 0.4, ultraface: 0 };

/**
 * Landmarks that lie further from a detector's own points than this, in distances between the eyes,
 * missed the face.
 */
const mostApart = 0.35;

/**
 * Points of a detector this near to those of the network, in distances between the eyes, agree: the
 * face is upright.
 */
const agreed = 0.06;

/** Width of a detected box over the root of its area, usually. */
export const usualWidth = 0.87;

/** Starts from which a face may be rotated: clearly better is half the unrest. */
const clearlySettled = 0.5;

/**
 * Where the five points lie in a detected box, on average: from its middle, in shares of its width.
 */
export const usualInBox: FivePoints = [
  [-0.241, -0.137],
  [0.213, -0.148],
  [-0.006, 0.129],
  [-0.21, 0.349],
  [0.208, 0.343],
];

/**
 * The five points of a face: those of the detector, those of the landmark network, or the mean of
 * both, each without its systematic offset. The network starts from the detector's points, or from
 * where they usually are in its box and then once more from what it found.
 *
 * @param landmarks undefined: the detector's own points are all there is
 */
export function createLocator(kind: DetectorKind, landmarks: Landmarker | undefined): Locator {
  return {
    async locate(photo, { box, points }) {
      const own = points && correct(points, kind);
      if (landmarks === undefined) return own && { points: own, unrest: undefined };
      const about = points ?? (await landmarks.refine(photo, pointsInBox(box)));
      const found = about && (await landmarks.refine(photo, about));
      if (about === undefined || found === undefined) return own && { points: own, unrest: Number.POSITIVE_INFINITY };
      const refined = correct(found, "landmarks");
      if (own === undefined) return { points: refined, unrest: apart(found, about) };
      const difference = apart(own, refined);
      const again = difference > agreed ? await landmarks.refine(photo, found) : found;
      const unrest = again === undefined ? Number.POSITIVE_INFINITY : apart(found, again);
      if (difference > mostApart) return { points: own, unrest };
      const share = ownShare[kind];
      const mean = mapPoints(refined, ([x, y], at) => {
        const [u, v] = itemAt(own, at);
        return [x + share * (u - x), y + share * (v - y)];
      });
      return { points: mean, unrest };
    },
    async likelyTurn(photo, { box }, unrest) {
      if (landmarks === undefined || unrest === undefined) return undefined;
      let best: { readonly turn: Turn; readonly unrest: number } | undefined;
      for (const turn of [1, 2, 3] as const) {
        const settled = await settle(landmarks, photo, rotatedInBox(box, turn));
        if (settled < Math.min(clearlySettled * unrest, best?.unrest ?? Number.POSITIVE_INFINITY))
          best = { turn, unrest: settled };
      }
      return best?.turn;
    },
  };
}

/** How far the network moves the points in the last of three steps. */
async function settle(landmarks: Landmarker, photo: Pixels, start: FivePoints): Promise<number> {
  let points = start;
  let moved = Number.POSITIVE_INFINITY;
  for (let step = 0; step < 3; step++) {
    const next = await landmarks.refine(photo, points);
    if (next === undefined) return Number.POSITIVE_INFINITY;
    moved = apart(next, points);
    points = next;
  }
  return moved;
}

/**
 * Where the points of a face lie that is upright after so many quarter turns of the photo. Its box
 * is about as large, its sides change places.
 */
function rotatedInBox([left, top, right, bottom]: Box, turn: Turn): FivePoints {
  const width = usualWidth * Math.sqrt((right - left) * (bottom - top));
  const back = turnBack(turn, 1, 1);
  const [middleX, middleY] = [(left + right) / 2, (top + bottom) / 2];
  return mapPoints(usualInBox, (point) => {
    const [x, y] = back(point);
    return [middleX + x * width, middleY + y * width];
  });
}

function pointsInBox([left, top, right, bottom]: Box): FivePoints {
  const width = right - left;
  return mapPoints(usualInBox, ([x, y]) => [(left + right) / 2 + x * width, (top + bottom) / 2 + y * width]);
}

/** Subtracts a source's systematic offset from its points. */
export function correct(points: FivePoints, source: PointSource): FivePoints {
  const offset = systematicOffsets[source];
  if (offset === undefined) return points;
  const [[x, y], [u, v]] = points;
  const [along, across] = [u - x, v - y];
  return mapPoints(points, ([px, py], at) => {
    const [shift, drop] = itemAt(offset, at);
    return [px - shift * along + drop * across, py - shift * across - drop * along];
  });
}

/** Mean distance of two sets of points, in distances between the eyes of the first. */
function apart(one: FivePoints, other: FivePoints): number {
  const sum = one.reduce((total, point, at) => total + distance(point, itemAt(other, at)), 0);
  return sum / one.length / distance(one[0], one[1]);
}
