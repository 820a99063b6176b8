import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normaliseRows, pairScores, rankOneHits, takeRows } from "../../src/evaluation/scores.ts";

const width = 3;
const rows = (min: number, max: number) =>
  fc.array(fc.tuple(...Array.from({ length: width }, () => fc.integer({ min: -2, max: 2 }))), {
    minLength: min,
    maxLength: max,
  });

describe("rank-1", () => {
  test("is what comparing every probe with every face gives, ties lost", () => {
    fc.assert(
      fc.property(
        rows(1, 9),
        rows(1, 11),
        fc.infiniteStream(fc.integer({ min: 0, max: 4 })),
        (probes, gallery, labels) => {
          const probeLabels = Int32Array.from(probes, () => labels.next().value as number);
          const galleryLabels = Int32Array.from(gallery, () => labels.next().value as number);
          const hits = rankOneHits(
            Float32Array.from(probes.flat()),
            probeLabels,
            Float32Array.from(gallery.flat()),
            galleryLabels,
            width,
          );
          probes.forEach((probe, p) => {
            const scored = gallery.map((face, g) => ({
              mate: galleryLabels[g] === probeLabels[p],
              score: face.reduce((sum, x, k) => sum + x * (probe[k] as number), 0),
            }));
            const mates = scored.filter((s) => s.mate).map((s) => s.score);
            const others = scored.filter((s) => !s.mate).map((s) => s.score);
            const hit = mates.length > 0 && others.every((score) => score < Math.max(...mates));
            expect(hits[p]).toBe(hit ? 1 : 0);
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  test("an equal embedding of somebody else is a miss", () => {
    const face = normaliseRows(Float32Array.of(0.3, -0.2, 0.7), width);
    const gallery = new Float32Array([...face, ...face]);
    expect([...rankOneHits(face, Int32Array.of(0), gallery, Int32Array.of(0, 1), width)]).toEqual([0]);
  });
});

test("scores are cosines", () => {
  fc.assert(
    fc.property(rows(2, 2), ([a, b]) => {
      const unit = normaliseRows(Float32Array.from([...(a ?? []), ...(b ?? [])]), width);
      const dot = (x: readonly number[] = [], y: readonly number[] = []) =>
        x.reduce((sum, v, k) => sum + v * (y[k] as number), 0);
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
