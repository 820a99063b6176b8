import { describe, expect, it } from "vitest";
import { type FivePoints, type Point, template, transform } from "../../src/faces/geometry.ts";
import { cropFor, cropTemplates, placeFor } from "../../src/faces/index.ts";
import { paint } from "../images/helpers.ts";

/** Five points of a face in a crop as a product saved it, tilted a little. */
const points: FivePoints = [
  [30, 44],
  [62, 40],
  [47, 60],
  [36, 78],
  [60, 75],
];

/**
 * Frigate's own steps, written from its contract: the crop is rotated about the middle of the eyes, scaled so that they are 0.3 of its width
 * apart, moved to (0.5, 0.35) of its sides; the result is scaled so that its longer side is 112 and centred.
 */
function frigate(point: Point, [left, right]: readonly [Point, Point], width: number, height: number): Point {
  const [dx, dy] = [right[0] - left[0], right[1] - left[1]];
  const angle = Math.atan2(dy, dx);
  const scale = (0.3 * width) / Math.hypot(dx, dy);
  const middle = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2] as const;
  const [x, y] = [point[0] - middle[0], point[1] - middle[1]];
  const aligned = [
    scale * (Math.cos(angle) * x + Math.sin(angle) * y) + 0.5 * width,
    scale * (-Math.sin(angle) * x + Math.cos(angle) * y) + 0.35 * height,
  ] as const;
  const side = 112;
  const [w, h] =
    width > height
      ? [side, Math.floor(((height / width) * side) / 4) * 4]
      : [Math.floor(((width / height) * side) / 4) * 4, side];
  return [
    (aligned[0] * w) / width + Math.floor((side - w) / 2),
    (aligned[1] * h) / height + Math.floor((side - h) / 2),
  ];
}

describe("placeFor", () => {
  it.each([
    [96, 96],
    [96, 120],
    [120, 96],
  ])("puts the eyes of Frigate's crop of %d x %d where Frigate does", (width, height) => {
    const place = placeFor("frigate", points, { width, height }, 112);
    const eyes = [points[0], points[1]] as const;
    for (const eye of eyes) {
      const [x, y] = transform(place as NonNullable<typeof place>, eye);
      const [u, v] = frigate(eye, eyes, width, height);
      expect(Math.hypot(x - u, y - v)).toBeLessThan(0.01);
    }
    // Of the mouth, whose place follows from the eyes, to the rounding of the shorter side to a multiple of 4.
    const [x, y] = transform(place as NonNullable<typeof place>, points[3]);
    const [u, v] = frigate(points[3], eyes, width, height);
    expect(Math.hypot(x - u, y - v)).toBeLessThan(2);
  });

  it("uses all five points on ArcFace's template, and OpenCV's, which is the same", () => {
    const goal = template(112);
    for (const name of ["arcface", "opencv"] as const) {
      const place = placeFor(name, goal, { width: 50, height: 50 }, 112);
      goal.forEach((point) => {
        const [x, y] = transform(place as NonNullable<typeof place>, point);
        expect(Math.hypot(x - point[0], y - point[1])).toBeLessThan(1e-6);
      });
    }
    expect(cropTemplates).toEqual(["arcface", "opencv", "frigate"]);
  });
});

it("leaves black what Frigate leaves black beside a narrow crop", () => {
  const photo = paint(80, 112, () => 200);
  const place = placeFor("frigate", points, photo, 112);
  const { data } = cropFor("frigate", photo, place as NonNullable<typeof place>, 112);
  const at = (x: number, y: number): number => data[3 * (y * 112 + x)];
  // 80 of 112 wide: columns 16 to 95.
  expect([at(15, 50), at(96, 50), at(56, 39)]).toEqual([0, 0, 200]);
});
