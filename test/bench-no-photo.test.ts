import { drawFace, openFaceSpace } from "petalface/images";
import { expect, test } from "vitest";
import { drawLeaves } from "../bench/no-photo/leaves.ts";
import { openMixer } from "../bench/no-photo/mixed.ts";
import { side, spaceSide } from "../bench/no-photo/plan.ts";
import { fitMap } from "../bench/no-photo/probe.ts";
import { openProjection } from "../bench/no-photo/projection.ts";
import { drawTexture, fitTexture, normal } from "../bench/no-photo/texture.ts";
import { cholesky, forward, solve } from "../bench/skeleton/linear.ts";
import { drawer, mean } from "../bench/skeleton/statistics.ts";

test("a matrix is the product of its triangle and the transpose", () => {
  const matrix = [
    [4, 2, 0.4],
    [2, 5, 1],
    [0.4, 1, 3],
  ];
  const lower = cholesky(matrix);
  const back = matrix.map((row, i) =>
    row.map((_, j) => [0, 1, 2].reduce((sum, k) => sum + (lower[i]?.[k] ?? 0) * (lower[j]?.[k] ?? 0), 0)),
  );
  for (const [i, row] of back.entries())
    for (const [j, value] of row.entries()) expect(value).toBeCloseTo(matrix[i]?.[j] ?? 0, 12);
});

test("triangles solve their equations", () => {
  const lower = [[2], [1, 3], [-1, 0.5, 4]];
  expect(forward(lower, [4, 8, 5])).toEqual([2, 2, 1.5]);
  const [a = 0, b = 0, c = 0] = solve(lower, [6, 4, 8]);
  // L x transpose(L), multiplied out by hand.
  expect(4 * a + 2 * b - 2 * c).toBeCloseTo(6, 12);
  expect(2 * a + 10 * b + 0.5 * c).toBeCloseTo(4, 12);
  expect(-2 * a + 0.5 * b + 17.25 * c).toBeCloseTo(8, 12);
});

test("drawn coefficients have the mean and the covariance of the photos", async () => {
  const uniform = drawer(4);
  const photos = Array.from({ length: 4000 }, () => {
    const [a, b] = [normal(uniform), normal(uniform)];
    return [5 + 2 * a, -1 + a + b];
  });
  const mix = await openMixer(photos.length, async (at) => photos[at] ?? []);
  expect(mix("two photos mixed", 7, 7, uniform)[0]).toBeCloseTo(5 + ((photos[7]?.[0] ?? 0) - 5) * Math.SQRT2, 1);
  expect(mix("two photos spliced", 7, 8, uniform)).toEqual(photos[7]);
  for (const kind of ["drawn, photos' covariance", "drawn, photos' contrast"] as const) {
    const drawn = photos.map((_, at) => mix(kind, at, (at + 2000) % 4000, uniform));
    const [x, y] = [0, 1].map((i) => drawn.map((row) => row[i] ?? 0)) as [number[], number[]];
    expect(mean(x)).toBeCloseTo(5, 0);
    expect(Math.abs(mean(x.map((value) => (value - 5) ** 2)) - 4)).toBeLessThan(0.5);
    expect(Math.abs(mean(x.map((value, at) => (value - 5) * ((y[at] ?? 0) + 1))) - 2)).toBeLessThan(0.3);
  }
});

test("the map of the probe finds a linear map and its bias", () => {
  const uniform = drawer(6);
  const inputs = Array.from({ length: 500 }, () => Float64Array.of(3 + normal(uniform), 10 * normal(uniform)));
  const map = fitMap(
    inputs,
    inputs.map(([a = 0, b = 0]) => Float64Array.of(a - 0.1 * b + 4, 2 * a)),
  );
  // The ridge of 0.1 shrinks what is beside the bias by 1 / 1.1; the bias too, by itself.
  const [first = 0, second = 0] = map(Float64Array.of(4, 0));
  expect(first).toBeCloseTo((7 + 1) / 1.1, 0);
  expect(second).toBeCloseTo((6 + 2) / 1.1, 0);
});

test("a face of the space is its own projection, and noise is not", async () => {
  const space = await openFaceSpace();
  const { nearest } = openProjection(space);
  const draw = { seed: 3, person: 1, image: 0 };
  const small = drawFace(space, draw, spaceSide);
  const again = nearest(small, spaceSide);
  expect(meanDifference(small.data, again.data)).toBeLessThan(1.5);
  const uniform = drawer(1);
  const noise = { ...small, data: Uint8Array.from(small.data, () => 256 * uniform()) };
  expect(meanDifference(noise.data, nearest(noise, spaceSide).data)).toBeGreaterThan(30);
});

test("random detail has the strength and the smoothness of what it was fitted on", () => {
  const uniform = drawer(2);
  const rough = Array.from({ length: 8 }, () => smoothNoise(uniform));
  const texture = fitTexture(rough);
  const drawn = Array.from({ length: 8 }, () => drawTexture(texture, uniform));
  expect(deviation(drawn)).toBeGreaterThan(0.93 * deviation(rough));
  expect(deviation(drawn)).toBeLessThan(1.07 * deviation(rough));
  // White noise has 0. The strength of each pixel is estimated from few details, which blurs a little.
  expect(Math.abs(neighbours(drawn) - neighbours(rough))).toBeLessThan(0.1);
});

test("dead leaves cover the whole image in many colours", () => {
  const { data } = drawLeaves(side, drawer(5));
  expect(new Set(data).size).toBeGreaterThan(50);
  expect(data.filter((value) => value === 0).length).toBeLessThan(0.05 * data.length);
});

/** Grey noise of deviation 9, the mean of two neighbours each way, so that these resemble each other. */
function smoothNoise(uniform: () => number): Float32Array {
  const white = Float32Array.from({ length: (side + 1) ** 2 }, () => 18 * normal(uniform));
  return Float32Array.from({ length: 3 * side * side }, (_, i) => {
    const at = Math.floor(i / 3);
    const corner = Math.floor(at / side) * (side + 1) + (at % side);
    return [0, 1, side + 1, side + 2].reduce((sum, step) => sum + (white[corner + step] ?? 0) / 4, 0);
  });
}

const meanDifference = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((sum, value, at) => sum + Math.abs(value - (b[at] ?? 0)), 0) / a.length;

const deviation = (details: readonly Float32Array[]): number =>
  Math.sqrt(
    details.reduce((sum, detail) => sum + detail.reduce((all, value) => all + value * value, 0) / detail.length, 0) /
      details.length,
  );

/** Correlation of a pixel with its right neighbour. */
function neighbours(details: readonly Float32Array[]): number {
  let [together, alone] = [0, 0];
  for (const detail of details)
    for (let at = 3; at < detail.length; at += 3) {
      if ((at / 3) % side === 0) continue;
      together += (detail[at] ?? 0) * (detail[at - 3] ?? 0);
      alone += (detail[at] ?? 0) ** 2;
    }
  return together / alone;
}
