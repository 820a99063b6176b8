import { describe, expect, test } from "vitest";
import { bootstrap, estimate, pValue, weighPairs } from "../../../src/evaluation/statistics/bootstrap.ts";
import { random } from "../../../src/random.ts";

/** Share of `outcomes` right, one outcome a person. */
const share = (outcomes: readonly number[]) => (multiplicities: Int32Array) => {
  let right = 0;
  let total = 0;
  multiplicities.forEach((weight, person) => {
    total += weight;
    right += weight * outcomes[person];
  });
  return [right / total];
};

describe("bootstrap over people", () => {
  test("agrees with the normal interval of a binomial share", () => {
    const people = 400;
    const outcomes = Array.from({ length: people }, (_, i) => (i < 300 ? 1 : 0));
    const [row] = bootstrap(people, { resamples: 2000, seed: 1 }, share(outcomes));
    const { value, low, high, standardError } = estimate(row);
    const expected = Math.sqrt((0.75 * 0.25) / people);
    expect(value).toBe(0.75);
    expect(standardError / expected).toBeGreaterThan(0.95);
    expect(standardError / expected).toBeLessThan(1.05);
    expect(low).toBeCloseTo(0.75 - 1.96 * expected, 2);
    expect(high).toBeCloseTo(0.75 + 1.96 * expected, 2);
  });

  test("covers the truth about as often as it says", () => {
    let covered = 0;
    const studies = 300;
    for (let study = 0; study < studies; study++) {
      const draw = random("coverage", study);
      const outcomes = Array.from({ length: 100 }, () => (draw.uniform() < 0.7 ? 1 : 0));
      const [row] = bootstrap(100, { resamples: 400, seed: study }, share(outcomes));
      const { low, high } = estimate(row);
      if (low <= 0.7 && 0.7 <= high) covered++;
    }
    expect(covered / studies).toBeGreaterThan(0.9);
    expect(covered / studies).toBeLessThan(0.99);
  });

  test("people who come with ten images widen the interval, not narrow it", () => {
    const outcomes = Array.from({ length: 50 }, (_, i) => i % 2);
    const clustered = bootstrap(50, { resamples: 1000, seed: 1 }, share(outcomes));
    const pretended = bootstrap(500, { resamples: 1000, seed: 1 }, share(Array.from({ length: 500 }, (_, i) => i % 2)));
    const [a, b] = [clustered, pretended].map((rows) => estimate(rows[0]).standardError) as [number, number];
    expect(a / b).toBeGreaterThan(2.8);
    expect(a / b).toBeLessThan(3.5);
  });

  test("same seed, same draws; another seed, others", () => {
    const outcomes = Array.from({ length: 30 }, (_, i) => i % 2);
    const draws = (seed: number) => [...bootstrap(30, { resamples: 20, seed }, share(outcomes))[0]];
    expect(draws(1)).toEqual(draws(1));
    expect(draws(1)).not.toEqual(draws(2));
  });

  test("every resample draws as many people as there are", () => {
    let calls = 0;
    bootstrap(17, { resamples: 50, seed: 1 }, (multiplicities) => {
      calls++;
      return [multiplicities.reduce((a, b) => a + b, 0)];
    }).forEach((row) => {
      expect(new Set(row)).toEqual(new Set([17]));
    });
    expect(calls).toBe(51);
  });
});

test("a genuine pair weighs its person, an impostor pair the product of its people", () => {
  const weights = new Float64Array(3);
  const pairs = { same: Uint8Array.of(1, 0, 0), first: Int32Array.of(0, 0, 1), second: Int32Array.of(0, 2, 2) };
  weighPairs(pairs, Int32Array.of(2, 0, 3), weights);
  expect([...weights]).toEqual([2, 6, 0]);
});

describe("p value", () => {
  test("is 1 where nothing differs", () => {
    expect(pValue(new Float64Array(101))).toBe(1);
  });
  test("is as small as the resamples allow where all agree", () => {
    expect(pValue(Float64Array.from({ length: 1000 }, () => 0.1))).toBeCloseTo(2 / 1000, 12);
  });
  test("counts the smaller side twice", () => {
    const row = Float64Array.from({ length: 100 }, (_, i) => (i <= 9 ? -1 : 1));
    expect(pValue(row)).toBeCloseTo((2 * 10) / 100, 12);
  });
  test("leaves undefined resamples out", () => {
    expect(pValue(Float64Array.of(1, 1, Number.NaN, 1))).toBeCloseTo(2 / 3, 12);
    expect(estimate(Float64Array.of(0.5, 0.4, Number.NaN, 0.6))).toMatchObject({ value: 0.5 });
  });
});

test("an estimate without resamples is a point", () => {
  expect(estimate(Float64Array.of(0.5))).toEqual({ value: 0.5, low: 0.5, high: 0.5, standardError: 0 });
});
