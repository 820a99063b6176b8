import { readFileSync } from "node:fs";
import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { describe, expect, test } from "vitest";
import {
  fitSimilarity,
  inverse,
  type Point,
  type Similarity,
  scaleOf,
  template,
  transform,
} from "../../src/faces/geometry.ts";
import { intersectionOverUnion, joinViews, suppress } from "../../src/faces/nms.ts";
import { warp } from "../../src/faces/warp.ts";
import { paint } from "../images/helpers.ts";

/** From OpenCV 5.0 and scikit-image 0.26 (fixtures/make.py). */
const oracle = JSON.parse(readFileSync(new URL("./fixtures/geometry.json", import.meta.url), "utf8")) as {
  fits: { from: Point[]; to: Point[]; matrix: number[][] }[];
  warps: { place: Similarity; pixels: number[] }[];
};

describe("the similarity of two sets of points", () => {
  test("is scikit-image's SimilarityTransform (Umeyama)", () => {
    for (const { from, to, matrix } of oracle.fits) {
      const { a, b, tx, ty } = fitSimilarity(from, to) as Similarity;
      for (const [at, value] of [a, -b, tx, b, a, ty].entries())
        expect(value).toBeCloseTo(itemAt(matrix.flat(), at), 4);
    }
  });

  test("finds a similarity again, and its inverse undoes it", () => {
    const number = fc.double({ min: -50, max: 50, noNaN: true });
    fc.assert(
      fc.property(number, number, number, number, (a, b, tx, ty) => {
        fc.pre(Math.hypot(a, b) > 1e-3);
        const place = { a, b, tx, ty };
        const points = template(112);
        const moved = points.map((point) => transform(place, point));
        const found = fitSimilarity(points, moved) as Similarity;
        expect(found.a).toBeCloseTo(a, 6);
        expect(found.b).toBeCloseTo(b, 6);
        const [x, y] = transform(inverse(found), moved[2]);
        expect(x).toBeCloseTo(points[2][0], 4);
        expect(y).toBeCloseTo(points[2][1], 4);
      }),
    );
  });

  test("does not exist where all points coincide, or one is not a number", () => {
    const heap = template(112).map(() => [3, 4] as const);
    expect(fitSimilarity(heap, template(112))).toBeUndefined();
    expect(fitSimilarity(template(112), heap)).toBeUndefined();
    expect(fitSimilarity([[Number.NaN, 0], ...template(112).slice(1)], template(112))).toBeUndefined();
  });
});

describe("a warp", () => {
  const photo = paint(50, 40, (x, y, channel) => itemAt([x * 5, y * 6, x * y], channel));

  test("equals OpenCV's warpAffine with a black border, to one grey level", () => {
    for (const { place, pixels } of oracle.warps) {
      const { data } = warp(photo, place, 24);
      const apart = pixels.map((value, at) => Math.abs(value - itemAt(data, at)));
      expect(Math.max(...apart)).toBeLessThanOrEqual(1);
    }
  });

  test("by nothing is a copy; what lies outside is black", () => {
    const same = warp(photo, { a: 1, b: 0, tx: 0, ty: 0 }, 60);
    expect([...same.data.subarray(0, 150)]).toEqual([...photo.data.subarray(0, 150)]);
    expect([...same.data.subarray(150, 180)]).toEqual(new Array(30).fill(0));
    expect(Math.max(...warp(photo, { a: 1, b: 0, tx: 500, ty: 0 }, 8).data)).toBe(0);
  });
});

test("the template scales with the crop", () => {
  expect(template(112)[0]).toEqual([38.2946, 51.6963]);
  expect(template(160)[2][1]).toBeCloseTo((71.7366 * 160) / 112, 10);
  expect(scaleOf(fitSimilarity(template(112), template(120)) as Similarity)).toBeCloseTo(120 / 112, 10);
});

test("of overlapping boxes the surest stays, and no two that stay overlap more than allowed", () => {
  const box = fc.tuple(fc.nat(50), fc.nat(50), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }));
  const detection = fc.record({
    box: box.map(([x, y, w, h]) => [x, y, x + w, y + h] as const),
    score: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(detection, { maxLength: 30 }), (found) => {
      const kept = suppress(found, 0.4);
      for (const [at, one] of kept.entries())
        for (const other of kept.slice(at + 1))
          expect(intersectionOverUnion(one.box, other.box)).toBeLessThanOrEqual(0.4);
      // Whatever was left out overlaps one that stayed and is at least as sure.
      for (const gone of found.filter((face) => !kept.includes(face)))
        expect(kept.some(({ box, score }) => score >= gone.score && intersectionOverUnion(box, gone.box) > 0.4)).toBe(
          true,
        );
    }),
  );
});

test("half a face that a tile shows is not another face", () => {
  const whole = { box: [10, 10, 50, 60], score: 0.9 } as const;
  const half = { box: [38, 12, 50, 58], score: 0.8 } as const;
  const other = { box: [60, 10, 90, 50], score: 0.7 } as const;
  expect(joinViews([half, other, whole])).toEqual([whole, other]);
  expect(suppress([half, other, whole], 0.4)).toEqual([whole, half, other]);
});

test("a far face in the box of a near one is another face, whichever is surer", () => {
  const near = { box: [400, 80, 850, 680], score: 0.9 } as const;
  const far = { box: [420, 90, 440, 116], score: 0.8 } as const;
  expect(joinViews([far, near])).toEqual([near, far]);
  const surer = { ...far, score: 0.95 };
  expect(joinViews([near, surer])).toEqual([surer, near]);
});
