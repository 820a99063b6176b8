import { itemAt, tupleOf } from "onnx-grad";
/**
 * A place in an image: x to the right, y down, in pixels; the centre of the first pixel is (0, 0).
 */
export type Point = readonly [x: number, y: number];

/**
 * Five points of a face: left eye, right eye, nose, left and right corner of the mouth, each the
 * image's left and right.
 */
export type FivePoints = readonly [Point, Point, Point, Point, Point];

/** Left, top, right and bottom edge in pixels. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/**
 * The map `(x, y) -> (a x - b y + tx, b x + a y + ty)`: a rotation, one scale for both axes, and a
 * shift.
 */
export interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly tx: number;
  readonly ty: number;
}

/** Side of the square that {@link template} is given for. */
const templateSide = 112;

/** Where ArcFace's 112 px crops have the five points (insightface, `face_align.py`). */
const template112: FivePoints = [
  [38.2946, 51.6963],
  [73.5318, 51.5014],
  [56.0252, 71.7366],
  [41.5493, 92.3655],
  [70.7299, 92.2041],
];

/** The five points of an aligned face of `size` x `size` pixels: those of 112 px, scaled. */
export function template(size: number): FivePoints {
  return mapPoints(template112, ([x, y]) => [(x * size) / templateSide, (y * size) / templateSide]);
}

/** Five points, each through a function. */
export function mapPoints(points: FivePoints, map: (point: Point, index: number) => Point): FivePoints {
  return tupleOf(points.map(map), 5);
}

/**
 * The similarity that brings `from` closest to `to` by the sum of squared distances (Umeyama 1991,
 * which in the plane has this closed form): with both sets centred, `a + ib` is the mean of
 * `conj(from) to` over the mean of `|from|^2`, points read as complex numbers.
 *
 * @returns undefined where all points of `from` coincide, or a number is not finite
 */
export function fitSimilarity(from: readonly Point[], to: readonly Point[]): Similarity | undefined {
  const [fromX, fromY] = centre(from);
  const [toX, toY] = centre(to);
  let real = 0;
  let imaginary = 0;
  let spread = 0;
  from.forEach(([x, y], at) => {
    const [u, v] = itemAt(to, at);
    real += (x - fromX) * (u - toX) + (y - fromY) * (v - toY);
    imaginary += (x - fromX) * (v - toY) - (y - fromY) * (u - toX);
    spread += (x - fromX) ** 2 + (y - fromY) ** 2;
  });
  const [a, b] = [real / spread, imaginary / spread];
  if (!Number.isFinite(a) || !Number.isFinite(b) || a ** 2 + b ** 2 === 0) return undefined;
  return { a, b, tx: toX - a * fromX + b * fromY, ty: toY - b * fromX - a * fromY };
}

/** Pixels that one pixel becomes along each side. */
export function scaleOf({ a, b }: Similarity): number {
  return Math.hypot(a, b);
}

/** Where a similarity takes a point. */
export function transform({ a, b, tx, ty }: Similarity, [x, y]: Point): Point {
  return [a * x - b * y + tx, b * x + a * y + ty];
}

/** The similarity that undoes another. */
export function inverse({ a, b, tx, ty }: Similarity): Similarity {
  const square = a ** 2 + b ** 2;
  const [c, d] = [a / square, -b / square];
  return { a: c, b: d, tx: -(c * tx - d * ty), ty: -(d * tx + c * ty) };
}

/** Distance of two points. */
export function distance([x, y]: Point, [u, v]: Point): number {
  return Math.hypot(x - u, y - v);
}

/** Mean of points. */
export function centre(points: readonly Point[]): Point {
  const [x, y] = points.reduce<Point>(([x, y], [u, v]) => [x + u, y + v], [0, 0]);
  return [x / points.length, y / points.length];
}

/** Width times height; 0 for an inverted box. */
export function area([left, top, right, bottom]: Box): number {
  return Math.max(0, right - left) * Math.max(0, bottom - top);
}
