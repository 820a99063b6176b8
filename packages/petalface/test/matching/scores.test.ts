import fc from "fast-check";
import { expect, test } from "vitest";
import { normaliseRows, pairScores, takeRows } from "../../src/matching/scores.ts";

const width = 3;
const rows = (min: number, max: number) =>
  fc.array(fc.tuple(...Array.from({ length: width }, () => fc.integer({ min: -2, max: 2 }))), {
    minLength: min,
    maxLength: max,
  });

test("scores are cosines", () => {
  fc.assert(
    fc.property(rows(2, 2), ([a, b]) => {
      const unit = normaliseRows(Float32Array.from([...(a ?? []), ...(b ?? [])]), width);
      const dot = (x: readonly number[] = [], y: readonly number[] = []) => x.reduce((sum, v, k) => sum + v * y[k], 0);
      const norms = Math.sqrt(dot(a, a) * dot(b, b));
      expect(pairScores(unit, unit, width, Int32Array.of(0), Int32Array.of(1))[0]).toBeCloseTo(
        norms === 0 ? 0 : dot(a, b) / norms,
        6,
      );
    }),
  );
});

test("a row that is not finite is named", () => {
  expect(() => normaliseRows(Float32Array.of(1, 2, 3, 1, Number.NaN, 0), width)).toThrow(/embedding 1 /);
  expect(() => normaliseRows(Float32Array.of(Number.POSITIVE_INFINITY, 2, 3), width)).toThrow(/embedding 0 /);
});

test("takeRows copies in order", () => {
  expect([...takeRows(Float32Array.of(1, 2, 3, 4, 5, 6), 2, [2, 0])]).toEqual([5, 6, 1, 2]);
});
