import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  compareMethods,
  compareResults,
  correctForMany,
  meanResult,
  measureEmbeddings,
} from "../../../src/evaluation/index.ts";
import { mcNemar } from "../../../src/evaluation/statistics/mcnemar.ts";
import { fakeEmbeddings, fakeProtocol } from "../fixtures.ts";

const protocol = fakeProtocol();
const data = { spec: "fake", fingerprint: "00" };
const measure = (noise: number, low: number) =>
  measureEmbeddings(
    protocol,
    data,
    fakeEmbeddings(protocol, noise),
    new Map([["lr:16", fakeEmbeddings(protocol, low)]]),
    {
      bootstrap: { resamples: 300 },
    },
  );
const [weak, strong] = await Promise.all([measure(0.5, 2.5), measure(0.5, 0.6)]);

describe("paired differences", () => {
  test("a model does not differ from itself", () => {
    const { differences, identical } = compareResults(weak, weak);
    expect(differences).toHaveLength(weak.measures.length);
    for (const d of differences) expect(d).toMatchObject({ value: 0, low: 0, high: 0, standardError: 0, p: 1 });
    expect(differences.filter((d) => d.mcNemar !== undefined).map((d) => [d.kind, d.mcNemar])).toEqual([
      ["accuracy", 1],
      ["accuracy", 1],
      ["accuracy", 1],
      ["rank1", 1],
      ["rank1", 1],
    ]);
    expect(identical).toEqual({ images: 1, pairs: 1 });
  });

  test("a clear gain is found, and turned round it is the same loss", () => {
    const forth = compareResults(weak, strong).differences;
    const back = compareResults(strong, weak).differences;
    for (const key of ["accuracy/mixed:16", "rank1/mixed:16"]) {
      const gain = forth.find((d) => d.key === key);
      const loss = back.find((d) => d.key === key);
      expect(gain?.low).toBeGreaterThan(0);
      expect(gain?.p).toBeCloseTo(2 / 301, 12);
      expect(gain?.mcNemar).toBeLessThan(0.01);
      expect(loss?.value).toBeCloseTo(-(gain?.value ?? 0), 12);
      expect(loss?.low).toBeCloseTo(-(gain?.high ?? 0), 12);
      expect(loss?.p).toBe(gain?.p);
    }
    expect(forth.find((d) => d.key === "accuracy/sharp")).toMatchObject({ value: 0, p: 1 });
  });

  test("what one result lacks is left out", async () => {
    const sharpOnly = await measureEmbeddings(protocol, data, fakeEmbeddings(protocol, 0.5), new Map(), {
      bootstrap: { resamples: 10 },
    });
    expect(compareResults(weak, sharpOnly).differences.every((d) => d.condition.kind === "sharp")).toBe(true);
  });

  test("pairing narrows the interval of models that fail on the same faces", async () => {
    const base = fakeEmbeddings(protocol, 1);
    const near = await measureEmbeddings(
      protocol,
      data,
      { ...base, data: base.data.map((x, i) => x + (i % 7 === 0 ? 0.05 : 0)) },
      new Map(),
    );
    const start = await measureEmbeddings(protocol, data, base, new Map());
    const paired = compareResults(start, near).differences.find((d) => d.key === "auc/sharp");
    expect(paired?.standardError).toBeLessThan(
      (start.measures.find((m) => m.key === "auc/sharp")?.standardError ?? 0) / 3,
    );
  });

  test("different pairs cannot be compared", async () => {
    const other = fakeProtocol(200);
    const result = await measureEmbeddings(other, data, fakeEmbeddings(other, 0.5), new Map(), {
      bootstrap: { resamples: 10 },
    });
    expect(() => compareResults(weak, result)).toThrow(/different pairs/);
  });
});

describe("several runs of a method", () => {
  test("the difference is that of the means, and its error has the runs' part", async () => {
    const runs = await Promise.all([0.5, 0.9, 1.3].map((low) => measure(0.5, low)));
    const comparison = compareMethods([weak], runs);
    expect(comparison.runs).toEqual([1, 3]);
    for (const difference of comparison.differences) {
      const { key, value, low, high, standardError } = difference;
      const at = (result: typeof weak) => result.measures.find((m) => m.key === key)?.value as number;
      const mean = runs.reduce((sum, result) => sum + at(result), 0) / 3;
      expect(value).toBeCloseTo(mean - at(weak), 12);
      const spread = Math.sqrt(runs.reduce((sum, result) => sum + (at(result) - mean) ** 2, 0) / 2 / 3);
      expect(standardError).toBeGreaterThanOrEqual(spread - 1e-12);
      expect((low + high) / 2).toBeCloseTo(value, 12);
    }
    const { measures } = meanResult(runs);
    const [first] = measures;
    expect(first?.value).toBeCloseTo(runs.reduce((sum, result) => sum + result.measures[0]?.value, 0) / 3, 12);
    expect(meanResult([weak])).toBe(weak);
  });
  test("equal runs add nothing to the people's error but Student's tails", () => {
    const [single, twice] = [compareMethods([weak], [strong]), compareMethods([weak], [strong, strong])];
    twice.differences.forEach((difference, i) => {
      expect(difference.value).toBe(single.differences[i]?.value);
      expect(difference.standardError).toBeCloseTo(single.differences[i]?.standardError ?? 0, 12);
    });
  });
  test("p values are corrected over all comparisons of a table", () => {
    const one = compareResults(weak, strong);
    const [a, b] = correctForMany([one, compareResults(weak, weak)]) as [typeof one, typeof one];
    one.differences.forEach((difference, i) => {
      expect(a.differences[i]?.corrected).toBeGreaterThanOrEqual(difference.corrected);
    });
    expect(b.differences.every(({ corrected }) => corrected === 1)).toBe(true);
    // A clear gain stays one although forty tests were made with 300 resamples.
    expect(a.differences.find(({ key }) => key === "accuracy/mixed:16")?.corrected).toBeLessThan(0.01);
  });
});

describe("McNemar's exact test", () => {
  test("is the binomial sum", () => {
    const binomial = (n: number, k: number): number => (k === 0 ? 1 : (binomial(n, k - 1) * (n - k + 1)) / k);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: 0, max: 1 })), { maxLength: 40 }),
        (cases) => {
          const b = cases.filter(([x, y]) => x > y).length;
          const c = cases.filter(([x, y]) => x < y).length;
          let tail = 0;
          for (let i = 0; i <= Math.min(b, c); i++) tail += binomial(b + c, i) / 2 ** (b + c);
          const p = mcNemar(
            Uint8Array.from(cases, ([x]) => x),
            Uint8Array.from(cases, ([, y]) => y),
          );
          expect(p).toBeCloseTo(Math.min(1, 2 * tail), 10);
        },
      ),
    );
  });

  test("known: 1 against 9 is 0.0215, and thousands do not underflow", () => {
    const p = (b: number, c: number) => {
      const a = new Uint8Array(b + c).fill(1, 0, b);
      return mcNemar(
        a,
        a.map((x) => 1 - x),
      );
    };
    expect(p(1, 9)).toBeCloseTo(0.021484375, 12);
    expect(p(3000, 3000)).toBe(1);
    // Normal approximation with continuity correction: z = 199 / sqrt(6000).
    expect(p(2900, 3100)).toBeCloseTo(0.01019, 4);
  });
});
