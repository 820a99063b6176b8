import { drawFace, openFaceSpace } from "petalface/images";
import { expect, test } from "vitest";
import { drawLeaves } from "../bench/no-photo/leaves.ts";
import { side, spaceSide } from "../bench/no-photo/plan.ts";
import { cholesky, openProjection } from "../bench/no-photo/projection.ts";
import { drawTexture, fitTexture, normal } from "../bench/no-photo/texture.ts";
import { drawer } from "../bench/skeleton/statistics.ts";

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
