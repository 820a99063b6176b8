import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { operatingPoints, rankPairs } from "../../src/evaluation/statistics/verification.ts";
import {
  cmc,
  identify,
  type Matcher,
  matrixTar,
  normaliseRows,
  openMatcher,
  openSet,
  poolTemplates,
  rocCurve,
  rowsOf,
  scorePairs,
  tarAtFar,
} from "../../src/matching/index.ts";
import { random } from "../../src/random.ts";

const width = 8;
let matcher: Matcher;
beforeAll(async () => {
  matcher = await openMatcher(width, { threads: 1 });
});
afterAll(() => matcher.close());

/**
 * Rows on a coarse grid, so that equal rows and ties are common and every product is exact in
 * float32.
 */
const gridRows = (count: number, seed: number): Float32Array => {
  const next = random("grid rows", seed);
  return Float32Array.from({ length: count * width }, () => next.int(3) - 1);
};
const labelsOf = (count: number, people: number, seed: number): Int32Array => {
  const next = random("labels", seed);
  return Int32Array.from({ length: count }, () => next.int(people + 1) - 1);
};
const dot = (a: Float32Array, i: number, b: Float32Array, j: number): number => {
  let sum = 0;
  for (let k = 0; k < width; k++) sum += a[i * width + k] * b[j * width + k];
  return sum;
};

test("equal rows get the same bits wherever they stand", async () => {
  const next = random("bits");
  const row = normaliseRows(
    Float32Array.from({ length: width }, () => next.normal()),
    width,
  );
  const count = 2500;
  const rows = new Float32Array(count * width);
  for (let i = 0; i < count; i++) rows.set(row, i * width);
  const { mate, other, equal, rank } = await identify(matcher, {
    probes: rows,
    probeLabels: new Int32Array(count),
    gallery: rowsOf(rows, width),
    galleryLabels: Int32Array.from({ length: count }, (_, i) => (i === 7 ? 0 : i)),
  });
  expect(new Set([...mate, ...other]).size).toBe(1);
  expect(new Set(equal)).toEqual(new Set([count - 2]));
  expect(new Set(rank)).toEqual(new Set([count - 1]));
});

describe("identification", () => {
  test.each([
    [3, 5, 1],
    [600, 4300, 2],
    [513, 2049, 3],
  ])("%i probes against %i faces: what comparing all with all gives", async (count, faces, seed) => {
    const [probes, gallery] = [gridRows(count, seed), gridRows(faces, seed + 100)];
    const probeLabels = labelsOf(count, 40, seed).map((label) => Math.max(0, label));
    const galleryLabels = labelsOf(faces, 60, seed + 1);
    const skip = Int32Array.from({ length: count }, (_, probe) => (probe % 3 === 0 ? probe % faces : -1));
    const k = 7;
    const found = await identify(matcher, {
      probes,
      probeLabels,
      gallery: rowsOf(gallery, width),
      galleryLabels,
      skip,
      top: k,
    });
    for (let probe = 0; probe < count; probe++) {
      const scored = Array.from({ length: faces }, (_, row) => ({ row, score: dot(probes, probe, gallery, row) }))
        .filter(({ row }) => row !== skip[probe])
        .sort((a, b) => b.score - a.score || a.row - b.row);
      const mates = scored.filter(({ row }) => galleryLabels[row] === probeLabels[probe]);
      const others = scored.filter(({ row }) => galleryLabels[row] !== probeLabels[probe]);
      expect(found.mateRow[probe]).toBe(mates[0]?.row ?? -1);
      expect(found.mate[probe]).toBe(mates[0]?.score ?? Number.NEGATIVE_INFINITY);
      expect(found.otherRow[probe]).toBe(others[0]?.row ?? -1);
      expect(found.other[probe]).toBe(others[0]?.score ?? Number.NEGATIVE_INFINITY);
      const goal = mates[0]?.score;
      const higher = others.filter(({ score }) => goal !== undefined && score > goal).length;
      const equal = others.filter(({ score }) => score === goal).length;
      expect([found.higher[probe], found.equal[probe]]).toEqual([higher, equal]);
      expect(found.rank[probe]).toBe(goal === undefined ? 0 : 1 + higher + equal);
      const rows = Array.from({ length: k }, (_, place) => scored[place]?.row ?? -1);
      expect([...(found.top?.rows.subarray(probe * k, (probe + 1) * k) ?? [])]).toEqual(rows);
    }
  });

  test("stops when it is told to, and the matcher still works", async () => {
    const task = {
      probes: gridRows(10, 1),
      probeLabels: new Int32Array(10),
      gallery: rowsOf(gridRows(10, 2), width),
      galleryLabels: new Int32Array(10),
    };
    await expect(identify(matcher, task, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    expect((await identify(matcher, task)).rank).toHaveLength(10);
    await expect(identify(matcher, { ...task, galleryLabels: new Int32Array(9) })).rejects.toThrow(/9 gallery labels/);
    await expect(identify(matcher, { ...task, gallery: rowsOf(new Float32Array(10), 1) })).rejects.toThrow(
      /cannot match/,
    );
  });
});

describe("listed pairs", () => {
  test.each([
    ["dense, through the engine", 1200, 300_000],
    ["sparse, one by one", 3000, 500],
  ])("%s", async (_, rows, pairs) => {
    const [a, b] = [gridRows(rows, 5), gridRows(rows + 9, 6)];
    const next = random("pairs", pairs);
    const first = Int32Array.from({ length: pairs }, () => next.int(rows));
    const second = Int32Array.from({ length: pairs }, () => next.int(rows + 9));
    const shares: number[] = [];
    const scores = await scorePairs(matcher, a, b, first, second, { onProgress: (share) => shares.push(share) });
    const wrong = scores.findIndex((score, i) => score !== dot(a, first[i], b, second[i]));
    expect(wrong).toBe(-1);
    expect(shares.at(-1)).toBe(1);
  });
  test("a pair that names no row is refused", async () => {
    const rows = gridRows(3, 1);
    await expect(scorePairs(matcher, rows, rows, Int32Array.of(3), Int32Array.of(0))).rejects.toThrow(/not there/);
    await expect(scorePairs(matcher, rows, rows, Int32Array.of(0), Int32Array.of(-1))).rejects.toThrow(/not there/);
  });
});

/** Scores with many ties. */
const scoredLists = fc
  .array(fc.record({ score: fc.integer({ min: -8, max: 8 }), same: fc.boolean() }), { minLength: 1, maxLength: 60 })
  .map((list) => ({
    scores: Float32Array.from(list, ({ score }) => score / 8),
    same: Uint8Array.from(list, ({ same }) => (same ? 1 : 0)),
  }));
const fars = [0, 0.01, 0.1, 0.3, 1];

test("TAR at FAR is what the walk down the ranked scores gives", () => {
  fc.assert(
    fc.property(scoredLists, ({ scores, same }) => {
      const zeros = new Int32Array(scores.length);
      const ranked = rankPairs({ scores, same, fold: zeros, first: zeros, second: zeros });
      const { tar } = operatingPoints(ranked, new Float64Array(scores.length).fill(1), fars);
      expect(tarAtFar(scores, same, fars).map((point) => point.tar)).toEqual(tar);
    }),
  );
});

test("the ROC has every distinct threshold but those inside straight runs", () => {
  fc.assert(
    fc.property(scoredLists, ({ scores, same }) => {
      const distinct = [...new Set(scores)].sort((a, b) => b - a);
      const [genuine, impostor] = [1, 0].map((kind) => scores.filter((_, i) => same[i] === kind)) as [
        Float32Array,
        Float32Array,
      ];
      const all = distinct.map((threshold) => ({
        threshold,
        g: genuine.filter((score) => score >= threshold).length,
        i: impostor.filter((score) => score >= threshold).length,
      }));
      // scikit-learn: np.diff(fps, 2) or np.diff(tps, 2) is not zero.
      const kept = all.filter((point, at) => {
        const [before, after] = [all[at - 1], all[at + 1]];
        if (before === undefined || after === undefined) return true;
        return before.g + after.g !== 2 * point.g || before.i + after.i !== 2 * point.i;
      });
      const roc = rocCurve(scores, same);
      expect([...roc.threshold]).toEqual(kept.map(({ threshold }) => threshold));
      expect([...roc.tar]).toEqual(kept.map(({ g }) => g / genuine.length));
      expect([...roc.far]).toEqual(kept.map(({ i }) => i / impostor.length));
    }),
  );
});

test("all against all, counted in two scans, is what the list of all pairs gives", async () => {
  const next = random("matrix");
  const rows = normaliseRows(
    Float32Array.from({ length: 700 * width }, () => next.normal()),
    width,
  );
  // Some equal rows, so that thresholds fall on ties.
  for (let row = 0; row < 60; row++) rows.copyWithin((row + 300) * width, row * width, (row + 1) * width);
  const labels = labelsOf(700, 30, 4);
  const far = [1, 0.3, 0.1, 0.01, 1e-3, 1e-4, 1e-9];
  for (const symmetric of [false, true]) {
    const first: number[] = [];
    const second: number[] = [];
    for (let i = 0; i < 700; i++)
      for (let j = symmetric ? i + 1 : 0; j < 700; j++) {
        first.push(i);
        second.push(j);
      }
    const scores = await scorePairs(matcher, rows, rows, Int32Array.from(first), Int32Array.from(second));
    const same = Uint8Array.from(first, (i, pair) => (labels[i] === labels[second[pair]] && labels[i] >= 0 ? 1 : 0));
    const task = { probes: rows, probeLabels: labels, gallery: rowsOf(rows, width), galleryLabels: labels, symmetric };
    const { points, genuine, impostor } = await matrixTar(matcher, task, far);
    expect([genuine, impostor]).toEqual([
      same.filter((flag) => flag === 1).length,
      same.filter((flag) => flag === 0).length,
    ]);
    expect(points).toEqual(tarAtFar(scores, same, far));
  }
});

test("open set: thresholds from probes without mate, by hand", () => {
  const ident = {
    rank: Int32Array.of(1, 1, 2, 1, 0, 0, 0, 0),
    mate: Float32Array.of(0.9, 0.5, 0.8, 0.3, -1, -1, -1, -1),
    other: Float32Array.of(0, 0, 0.85, 0, 0.7, 0.4, 0.2, 0.1),
  };
  const points = openSet(ident, [0, 0.25, 0.5, 1]);
  expect(points.map(({ tpir }) => tpir)).toEqual([0.25, 0.5, 0.75, 0.75]);
  expect(points.map(({ threshold }) => threshold)).toEqual([
    Math.fround(0.7),
    Math.fround(0.4),
    Math.fround(0.2),
    Number.NEGATIVE_INFINITY,
  ]);
  expect(openSet(ident, [0], { rank: 2 })[0]?.tpir).toBe(0.5);
  const strict = openSet(ident, [0, 0.25, 0.5, 1], { strict: true });
  expect(strict.map(({ tpir }) => tpir)).toEqual([0.25, 0.25, 0.5, 0.75]);
  expect(cmc(ident.rank, 1)).toBe(0.75);
  expect(cmc(ident.rank, 2)).toBe(1);
  expect(cmc(Int32Array.of(0), 1)).toBeNaN();
});

test("templates: the weighted mean inside a medium, summed over media", async () => {
  const images = Float32Array.of(1, 0, 0, 1, 2, 2, 5, 0, 0, 3);
  const members = {
    templates: 3,
    template: Int32Array.of(0, 0, 0, 2, 2),
    media: Int32Array.of(7, 7, 8, 7, 7),
    weight: Float32Array.of(1, 0.5, 1, 1, 1),
  };
  const pooled = await poolTemplates(rowsOf(images, 2), members);
  // Template 0: ((1,0) + 0.5 (0,1)) / 2 + (2,2) = (2.5, 2.25); template 1 has no image; template 2:
  // (2.5, 1.5).
  const unit = (x: number, y: number) => [x / Math.hypot(x, y), y / Math.hypot(x, y)];
  [...unit(2.5, 2.25), 0, 0, ...unit(2.5, 1.5)].forEach((value, i) => {
    expect(pooled[i]).toBeCloseTo(value, 6);
  });
  await expect(poolTemplates(rowsOf(images, 2), { ...members, template: Int32Array.of(0) })).rejects.toThrow(
    /1 images/,
  );
});
