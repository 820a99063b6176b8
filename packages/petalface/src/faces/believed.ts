import { type Pixels, resize } from "../images/index.ts";
import {
  centre,
  distance,
  type FivePoints,
  fitSimilarity,
  mapPoints,
  type Similarity,
  template,
  transform,
} from "./geometry.ts";
import type { Landmarker } from "./landmarks.ts";
import { correct, usualInBox, usualWidth } from "./points.ts";
import { frigateEyes } from "./templates.ts";

/** Geometries that crops are distinguished by: those that are alike share an entry. */
export type BelievedGeometry = "arcface" | "frigate" | "facenet" | "deepface";

/** What crops look like. */
export interface Belief {
  /** The nearest geometry; undefined where none is near. */
  readonly geometry: BelievedGeometry | undefined;
  /** Mean distance of the crops' five points from it, in distances between its eyes. */
  readonly off: number;
  /** Crops in which points were found. */
  readonly faces: number;
}

/** Side that crops are looked at. */
const side = 112;
/** Points further from all geometries than this, in distances between the eyes, belong to none. */
const most = 0.2;
/**
 * The landmark network settled where it moves its own points by no more, in distances between the
 * eyes.
 */
const settled = 0.06;

/** Width over height of a detected box, usually. */
const boxAspect = usualWidth ** 2;

/** Where crops of each geometry have the five points, on average, in pixels of a crop of 112 px. */
const pointsOf: Readonly<Record<BelievedGeometry, FivePoints>> = {
  arcface: template(side),
  frigate: onFrigate(),
  facenet: mapPoints(usualInBox, ([x, y]) => [side * (0.5 + x), side * (0.5 + y * boxAspect)]),
  deepface: mapPoints(usualInBox, ([x, y]) => [side * (0.5 + x * boxAspect), side * (0.5 + y * boxAspect)]),
};

function onFrigate(): FivePoints {
  const points = template(side);
  const place = fitSimilarity(points.slice(0, 2), frigateEyes({ width: side, height: side }, side)) as Similarity;
  return mapPoints(points, (point) => transform(place, point));
}

const eyes = (points: FivePoints): number => distance(points[0], points[1]);

function apart(a: FivePoints, b: FivePoints): number {
  return a.reduce((sum, point, at) => sum + distance(point, b[at] ?? point), 0) / a.length / eyes(b);
}

/**
 * Which geometry aligned crops have: the landmark network starts from where each geometry has the
 * points, and the mean of the points that settle is compared with each.
 */
export async function believeGeometry(crops: readonly Pixels[], landmarks: Landmarker): Promise<Belief> {
  const found: FivePoints[] = [];
  for (const crop of crops) {
    const points = await pointsIn(resize(crop, side, side), landmarks);
    if (points !== undefined) found.push(points);
  }
  if (found.length === 0) return { geometry: undefined, off: Number.POSITIVE_INFINITY, faces: 0 };
  const mean = mapPoints(template(side), (point, at) => centre(found.map((points) => points[at] ?? point)));
  const [nearest] = (Object.keys(pointsOf) as BelievedGeometry[])
    .map((geometry) => ({ geometry, off: apart(mean, pointsOf[geometry]) }))
    .sort((a, b) => a.off - b.off);
  const { geometry, off = Number.POSITIVE_INFINITY } = nearest ?? {};
  return { geometry: off <= most ? geometry : undefined, off, faces: found.length };
}

/**
 * The points of the start from which the network settles best; undefined where it settles from
 * none.
 */
async function pointsIn(crop: Pixels, landmarks: Landmarker): Promise<FivePoints | undefined> {
  let best: { readonly points: FivePoints; readonly unrest: number } | undefined;
  for (const start of Object.values(pointsOf)) {
    const first = await landmarks.refine(crop, start);
    const points = first && (await landmarks.refine(crop, first));
    if (first === undefined || points === undefined) continue;
    const unrest = apart(first, points);
    if (unrest < (best?.unrest ?? settled)) best = { points, unrest };
  }
  return best && correct(best.points, "landmarks");
}
