import type { Pixels } from "../images/index.ts";
import type { DetectorKind } from "./detectors/layout.ts";
import { type Box, distance, type FivePoints, mapPoints, type Point } from "./geometry.ts";
import type { Landmarker } from "./landmarks.ts";
import type { Detection } from "./nms.ts";

/** Finds the five points of a detected face. */
export type Locate = (photo: Pixels, face: Detection) => Promise<FivePoints | undefined>;

/** Where points come from. */
type PointSource = DetectorKind | "landmarks";

/**
 * How far each source's points lie from those that the template was made for, in distances between the eyes, along the eyes and at a right angle
 * to them: detectors were trained on different ideas of where an eye or the corner of a mouth is. Medians over every other photo
 * of a sample, checked on the others (bench -- align).
 */
const habits: Partial<Readonly<Record<PointSource, FivePoints>>> = {
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

/** Share of a detector's own points in the mean with the landmarks; the noisier they are the less. 0: only the landmarks. */
const ownShare: Readonly<Record<DetectorKind, number>> = { scrfd: 0.4, yunet: 0, retinaface: 0.4, ultraface: 0 };

/** Landmarks that lie further from a detector's own points than this, in distances between the eyes, missed the face. */
const mostApart = 0.35;

/** Where the five points lie in a detected box, on average: from its middle, in shares of its width. */
const inBox: FivePoints = [
  [-0.241, -0.137],
  [0.213, -0.148],
  [-0.006, 0.129],
  [-0.21, 0.349],
  [0.208, 0.343],
];

/**
 * The five points of a face: those of the detector, those of the landmark network, or the mean of both, each freed from its habit. The network
 * starts from the detector's points, or from where they usually are in its box and then once more from what it found.
 *
 * @param landmarks undefined: the detector's own points are all there is
 */
export function createLocate(kind: DetectorKind, landmarks: Landmarker | undefined): Locate {
  return async (photo, { box, points }) => {
    if (landmarks === undefined) return points && correct(points, kind);
    const about = points ?? (await landmarks.refine(photo, pointsInBox(box)));
    const found = about && (await landmarks.refine(photo, about));
    const refined = found && correct(found, "landmarks");
    if (points === undefined || refined === undefined) return refined ?? (points && correct(points, kind));
    const own = correct(points, kind);
    if (apart(own, refined) > mostApart) return own;
    const share = ownShare[kind];
    return mapPoints(refined, ([x, y], at) => {
      const [u, v] = own[at] as Point;
      return [x + share * (u - x), y + share * (v - y)];
    });
  };
}

function pointsInBox([left, top, right, bottom]: Box): FivePoints {
  const width = right - left;
  return mapPoints(inBox, ([x, y]) => [(left + right) / 2 + x * width, (top + bottom) / 2 + y * width]);
}

/** Takes a source's habit off its points. */
function correct(points: FivePoints, source: PointSource): FivePoints {
  const habit = habits[source];
  if (habit === undefined) return points;
  const [[x, y], [u, v]] = points;
  const [along, across] = [u - x, v - y];
  return mapPoints(points, ([px, py], at) => {
    const [shift, drop] = habit[at] as Point;
    return [px - shift * along + drop * across, py - shift * across - drop * along];
  });
}

/** Mean distance of two sets of points, in distances between the eyes of the first. */
function apart(one: FivePoints, other: FivePoints): number {
  const sum = one.reduce((total, point, at) => total + distance(point, other[at] as Point), 0);
  return sum / one.length / distance(one[0], one[1]);
}
