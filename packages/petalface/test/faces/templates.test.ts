import { describe, expect, it } from "vitest";
import { type Box, type FivePoints, type Point, template, transform } from "../../src/faces/geometry.ts";
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

const box: Box = [20, 16, 76, 96];

/**
 * Frigate's own steps, written from its contract: the crop is rotated about the middle of the eyes,
 * scaled so that they are 0.3 of its width apart, moved to (0.5, 0.35) of its sides; the result is
 * scaled so that its longer side is 112 and centred.
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
    const place = placeFor("frigate", { points, box }, { width, height }, 112);
    const eyes = [points[0], points[1]] as const;
    for (const eye of eyes) {
      const [x, y] = transform(place as NonNullable<typeof place>, eye);
      const [u, v] = frigate(eye, eyes, width, height);
      expect(Math.hypot(x - u, y - v)).toBeLessThan(0.01);
    }
    // Of the mouth, whose place follows from the eyes, to the rounding of the shorter side to a
    // multiple of 4.
    const [x, y] = transform(place as NonNullable<typeof place>, points[3]);
    const [u, v] = frigate(points[3], eyes, width, height);
    expect(Math.hypot(x - u, y - v)).toBeLessThan(2);
  });

  it("uses all five points on ArcFace's template, and OpenCV's, which is the same", () => {
    const goal = template(112);
    for (const name of ["arcface", "opencv"] as const) {
      const place = placeFor(name, { points: goal, box }, { width: 50, height: 50 }, 112);
      goal.forEach((point) => {
        const [x, y] = transform(place as NonNullable<typeof place>, point);
        expect(Math.hypot(x - point[0], y - point[1])).toBeLessThan(1e-6);
      });
    }
    expect(cropTemplates).toEqual(["arcface", "opencv", "frigate", "facenet", "deepstream", "deepface"]);
  });
});

it("leaves black what Frigate leaves black beside a narrow crop", () => {
  const photo = paint(80, 112, () => 200);
  const place = placeFor("frigate", { points, box }, photo, 112);
  const { data } = cropFor("frigate", photo, { points, box }, place as NonNullable<typeof place>, 112);
  const at = (x: number, y: number): number => data[3 * (y * 112 + x)];
  // 80 of 112 wide: columns 16 to 95.
  expect([at(15, 50), at(96, 50), at(56, 39)]).toEqual([0, 0, 200]);
});

describe("crops by the detector's box", () => {
  /** Red grows to the right, green downwards, by 2 a pixel. */
  const photo = paint(100, 110, (x, y, channel) => (channel === 0 ? 2 * x : channel === 1 ? 2 * y : 0));
  const crop = (name: "facenet" | "deepstream" | "deepface", face: { points: FivePoints; box: Box }) => {
    const place = placeFor(name, face, photo, 112);
    const { data } = cropFor(name, photo, face, place as NonNullable<typeof place>, 112);
    return (x: number, y: number): number[] => [...data.slice(3 * (y * 112 + x), 3 * (y * 112 + x) + 2)];
  };

  it("stretches the box to a square, as facenet-pytorch and nvinfer do", () => {
    for (const name of ["facenet", "deepstream"] as const) {
      const at = crop(name, { points, box });
      // Half a pixel of the crop is 0.25 pixels of the photo across and 0.36 down.
      for (const [x, y] of [
        [10, 10],
        [56, 56],
        [100, 90],
      ] as const) {
        const [red = 0, green = 0] = at(x, y);
        expect(Math.abs(red - 2 * (20 + ((x + 0.5) * 56) / 112 - 0.5))).toBeLessThanOrEqual(1);
        expect(Math.abs(green - 2 * (16 + ((y + 0.5) * 80) / 112 - 0.5))).toBeLessThanOrEqual(1);
      }
    }
  });

  it("holds the box within the photo, and refuses a box without an area", () => {
    const at = crop("facenet", { points, box: [-20, -10, 50, 60] });
    expect(at(0, 0)).toEqual([0, 0]);
    expect(Math.abs((at(111, 56)[0] ?? 0) - 98)).toBeLessThanOrEqual(2);
    expect(placeFor("facenet", { points, box: [30, 30, 30.5, 60] }, photo, 112)).toBeUndefined();
    expect(placeFor("deepface", { points, box: [30, 30, 30, 30] }, photo, 112)).toBeUndefined();
  });

  it("rotates the eyes level about the box's middle and leaves bands black, as DeepFace does", () => {
    const face = { points, box };
    const place = placeFor("deepface", face, photo, 112);
    const [[x, y], [u, v]] = [points[0], points[1]].map((eye) =>
      transform(place as NonNullable<typeof place>, eye),
    ) as [Point, Point];
    expect(v).toBeCloseTo(y, 9);
    // The box is 56 x 80: its longer side becomes 112.
    expect(u - x).toBeCloseTo((Math.hypot(32, 4) * 112) / 80, 9);
    const [mx, my] = transform(place as NonNullable<typeof place>, [48, 56]);
    expect(Math.hypot(mx - 55.5, my - 55.5)).toBeLessThan(1e-9);
    const at = crop("deepface", face);
    // 78 of 112 wide: columns 17 to 94.
    expect([at(16, 56), at(95, 56)]).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(at(17, 56)[0]).toBeGreaterThan(0);
    expect(at(94, 56)[0]).toBeGreaterThan(0);
  });
});
