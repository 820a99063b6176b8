import fc from "fast-check";
import { lastOf } from "onnx-grad";
import { describe, expect, test } from "vitest";
import {
  bestThreshold,
  kFoldAccuracy,
  operatingPoints,
  rankPairs,
  type ScoredPairs,
} from "../../../src/evaluation/statistics/verification.ts";
import { rocCurve } from "../../../src/matching/index.ts";

/** Few distinct scores, so that ties are common; both kinds present in the list. */
const scored = fc
  .array(
    fc.record({
      score: fc.integer({ min: -4, max: 4 }).map((n) => n / 4),
      same: fc.boolean(),
      fold: fc.integer({ min: 0, max: 2 }),
      weight: fc.integer({ min: 0, max: 3 }),
    }),
    { minLength: 2, maxLength: 30 },
  )
  .filter((list) => list.some((p) => p.same && p.weight > 0) && list.some((p) => !p.same && p.weight > 0));

type Case = typeof scored extends fc.Arbitrary<infer T> ? T : never;

const toPairs = (list: Case): ScoredPairs => ({
  scores: Float32Array.from(list, (p) => p.score),
  same: Uint8Array.from(list, (p) => (p.same ? 1 : 0)),
  fold: Int32Array.from(list, (p) => p.fold),
  first: new Int32Array(list.length),
  second: new Int32Array(list.length),
});
const ranked = (list: Case) => {
  const pairs = rankPairs(toPairs(list));
  return { pairs, weights: Float64Array.from(pairs.origin, (i) => list[i]?.weight ?? 0) };
};
/** A weight of n is n equal pairs: the oracles know nothing of weights. */
const repeated = (list: Case) => list.flatMap((p) => Array.from({ length: p.weight }, () => p));
const right = (list: Case, threshold: number) => list.filter((p) => p.score > threshold === p.same).length;
const everyThreshold = (list: Case) => {
  const distinct = [...new Set(list.map((p) => p.score))].sort((a, b) => b - a);
  if (distinct.length === 0) return [Number.POSITIVE_INFINITY];
  const middles = distinct.slice(1).map((score, i) => (score + distinct[i]) / 2);
  return [distinct[0] + 1, ...middles, lastOf(distinct) - 1];
};

describe("k-fold accuracy", () => {
  test("is what trying every threshold on the other folds gives", () => {
    fc.assert(
      fc.property(scored, (list) => {
        const { pairs, weights } = ranked(list);
        const cases = repeated(list);
        let judgedRight = 0;
        const { accuracy, thresholds } = kFoldAccuracy(pairs, weights, 3);
        for (let fold = 0; fold < 3; fold++) {
          const others = cases.filter((p) => p.fold !== fold);
          const candidates = everyThreshold(others);
          const best = Math.max(...candidates.map((t) => right(others, t)));
          const chosen = candidates.find((t) => right(others, t) === best) as number;
          expect(thresholds[fold]).toBeCloseTo(chosen, 12);
          judgedRight += right(
            cases.filter((p) => p.fold === fold),
            chosen,
          );
        }
        expect(accuracy).toBeCloseTo(judgedRight / cases.length, 12);
      }),
      { numRuns: 500 },
    );
  });

  test("takes the highest of equally good thresholds", () => {
    const list = [0.9, 0.7, 0.5, 0.3].map((score, i) => ({ score, same: i % 2 === 0, fold: 0, weight: 1 }));
    const { pairs, weights } = ranked(list);
    expect(bestThreshold(pairs, weights)).toBeCloseTo(0.8, 6);
  });
});

describe("operating points", () => {
  const fars = [0, 0.1, 0.25, 0.5, 1];

  test("AUC counts every genuine and impostor pair", () => {
    fc.assert(
      fc.property(scored, (list) => {
        const { pairs, weights } = ranked(list);
        const genuine = repeated(list).filter((p) => p.same);
        const impostor = repeated(list).filter((p) => !p.same);
        const wins = genuine.flatMap((g) =>
          impostor.map((i) => (g.score > i.score ? 1 : g.score === i.score ? 0.5 : 0)),
        ) as number[];
        expect(operatingPoints(pairs, weights, []).auc).toBeCloseTo(wins.reduce((a, b) => a + b) / wins.length, 12);
      }),
    );
  });

  test("TAR is the best over every threshold that keeps the rate", () => {
    fc.assert(
      fc.property(scored, (list) => {
        const { pairs, weights } = ranked(list);
        const genuine = repeated(list).filter((p) => p.same);
        const impostor = repeated(list).filter((p) => !p.same);
        const share = (of: Case, t: number) => of.filter((p) => p.score > t).length / of.length;
        const { tar } = operatingPoints(pairs, weights, fars);
        fars.forEach((far, index) => {
          const allowed = everyThreshold(repeated(list)).filter((t) => share(impostor, t) <= far);
          expect(tar[index]).toBeCloseTo(Math.max(...allowed.map((t) => share(genuine, t))), 12);
        });
      }),
    );
  });

  test("EER lies on the ROC where both errors are equal", () => {
    fc.assert(
      fc.property(scored, (list) => {
        const { pairs, weights } = ranked(list);
        const genuine = repeated(list).filter((p) => p.same);
        const impostor = repeated(list).filter((p) => !p.same);
        const points = everyThreshold(repeated(list)).map((t) => ({
          far: impostor.filter((p) => p.score > t).length / impostor.length,
          frr: genuine.filter((p) => p.score <= t).length / genuine.length,
        }));
        const after = points.findIndex((p) => p.far >= p.frr);
        const [a, b] = [points[after - 1], points[after]] as [
          { far: number; frr: number },
          { far: number; frr: number },
        ];
        let [low, high] = [0, 1];
        for (let step = 0; step < 60; step++) {
          const part = (low + high) / 2;
          if (a.far + part * (b.far - a.far) >= a.frr + part * (b.frr - a.frr)) high = part;
          else low = part;
        }
        expect(operatingPoints(pairs, weights, []).eer).toBeCloseTo(a.far + high * (b.far - a.far), 9);
      }),
    );
  });

  test("known: perfect, reversed and constant scores", () => {
    const make = (scores: readonly number[]) =>
      ranked(scores.map((score, i) => ({ score, same: i < 2, fold: 0, weight: 1 })));
    const of = (scores: readonly number[]) => {
      const { pairs, weights } = make(scores);
      return operatingPoints(pairs, weights, [0, 1]);
    };
    expect(of([0.9, 0.8, 0.2, 0.1])).toEqual({ auc: 1, eer: 0, tar: [1, 1] });
    expect(of([0.1, 0.2, 0.8, 0.9])).toEqual({ auc: 0, eer: 1, tar: [0, 1] });
    expect(of([0.5, 0.5, 0.5, 0.5])).toEqual({ auc: 0.5, eer: 0.5, tar: [0, 1] });
  });

  test("one impostor of ten may pass at 10 %, none at 9.9 %", () => {
    const list = [
      { score: 1, same: false, fold: 0, weight: 1 },
      ...Array.from({ length: 9 }, () => ({ score: 0, same: false, fold: 0, weight: 1 })),
      { score: 0.5, same: true, fold: 0, weight: 1 },
    ];
    const { pairs, weights } = ranked(list);
    expect(operatingPoints(pairs, weights, [0.1, 0.099]).tar).toEqual([1, 0]);
  });

  test("without impostor weight nothing is defined", () => {
    const { pairs } = ranked([
      { score: 1, same: true, fold: 0, weight: 1 },
      { score: 0, same: false, fold: 0, weight: 1 },
    ]);
    const { auc, eer, tar } = operatingPoints(pairs, Float64Array.of(1, 0), [0.1]);
    expect([auc, eer, ...tar]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });
});

test("ROC points give back the area under the curve", () => {
  fc.assert(
    fc.property(scored, (list) => {
      const pairs = rankPairs(toPairs(list));
      const roc = rocCurve(pairs.scores, pairs.same);
      const points = [{ far: 0, tar: 0 }, ...Array.from(roc.far, (far, i) => ({ far, tar: roc.tar[i] }))];
      const area = points
        .slice(1)
        .reduce((sum, p, i) => sum + ((p.far - (points[i]?.far ?? 0)) * (p.tar + (points[i]?.tar ?? 0))) / 2, 0);
      const { auc } = operatingPoints(pairs, new Float64Array(list.length).fill(1), []);
      expect(area).toBeCloseTo(auc, 12);
      expect(points.at(-1)).toMatchObject({ far: 1, tar: 1 });
    }),
  );
});
