import { expect, test } from "vitest";
import { applyMap, fitLinearMap, measuredMap } from "../../src/gallery/linear-map.ts";
import { normaliseRows } from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";

const [oldWidth, nextWidth] = [12, 9];

/** Embeddings of two models of which the second is a linear map of the first, and noise. */
function drawn(count: number, noise: number) {
  const stream = random("linear map", count, noise);
  const planted = Float64Array.from({ length: nextWidth * oldWidth }, () => stream.normal());
  const old = Float32Array.from({ length: count * oldWidth }, () => stream.normal());
  const units = normaliseRows(old, oldWidth);
  const map = { from: oldWidth, to: nextWidth, weights: planted };
  const next = new Float32Array(count * nextWidth);
  for (let row = 0; row < count; row++)
    next.set(
      applyMap(map, units.subarray(row * oldWidth, (row + 1) * oldWidth)).map(
        (value) => value + noise * stream.normal(),
      ),
      row * nextWidth,
    );
  return { faces: { old, oldWidth, next, nextWidth }, map, units };
}

test("least squares with a penalty: the gradient of what is minimised is zero", () => {
  const { faces } = drawn(200, 0.3);
  const rows = Array.from({ length: 200 }, (_, row) => row);
  const { weights } = fitLinearMap(faces, rows);
  const [inputs, targets] = [normaliseRows(faces.old, oldWidth), normaliseRows(faces.next, nextWidth)];
  const penalty = (0.05 * rows.length) / oldWidth;
  for (let j = 0; j < nextWidth; j++)
    for (let i = 0; i < oldWidth; i++) {
      let gradient = penalty * weights[j * oldWidth + i];
      for (const row of rows) {
        let mapped = 0;
        for (let k = 0; k < oldWidth; k++) mapped += weights[j * oldWidth + k] * inputs[row * oldWidth + k];
        gradient += (mapped - targets[row * nextWidth + j]) * inputs[row * oldWidth + i];
      }
      expect(Math.abs(gradient)).toBeLessThan(1e-9);
    }
});

test("a planted map is found again, and its loss is that of faces it has not seen", () => {
  const exact = drawn(400, 0);
  const { map, loss } = measuredMap(exact.faces);
  const unit = exact.units.subarray(0, oldWidth);
  const [one, other] = [
    normaliseRows(applyMap(map, unit), nextWidth),
    normaliseRows(applyMap(exact.map, unit), nextWidth),
  ];
  expect(one.reduce((sum, value, at) => sum + value * other[at], 0)).toBeGreaterThan(0.98);
  expect(loss.cosine).toBeGreaterThan(0.97);
  expect(loss.faces).toBe(400);
  // Of noise alone nothing can be learned, and the measure says so.
  const noise = measuredMap(drawn(400, 1000).faces).loss;
  expect(Math.abs(noise.cosine)).toBeLessThan(0.1);
  expect(noise.rank1).toBeLessThan(0.05);
  expect(() => measuredMap(drawn(49, 0).faces)).toThrow("needs at least 50 faces with pictures, and 49 are at hand");
});
