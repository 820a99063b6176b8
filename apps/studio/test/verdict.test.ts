import { expect, test } from "vitest";
import type { Comparison } from "../src/work/measure.ts";
import { verdictOf } from "../src/work/verdict.ts";

const estimate = (value: number) => ({ value, low: value - 0.01, high: value + 0.01, standardError: 0.005 });
const comparison = (value: number, corrected: number): Comparison => ({
  what: "a measure",
  frozen: estimate(0.5),
  adapted: estimate(0.5 + value),
  difference: estimate(value),
  corrected,
});
const comparisons = [comparison(0.2, 0.001), comparison(-0.1, 0.01), comparison(0.02, 0.06), comparison(0, 1)];

test("fewer held-out people than the bootstrap can carry give no verdict, whatever was measured", () => {
  expect(verdictOf({ people: 5, kind: "synthetic", comparisons })).toBe(
    "Too few faces to tell what is chance: 5 held-out people where at least 20 are needed.",
  );
  expect(verdictOf({ people: 19, kind: "pictures", comparisons })).toMatch(/^Too few .* 19 .* choose more pictures\.$/);
});

test("differences count where they are beyond chance after the correction for many", () => {
  const kind = "synthetic" as const;
  expect(verdictOf({ people: 20, kind, comparisons })).toBe("1 of 4 measures are better beyond chance, 1 worse.");
  expect(verdictOf({ people: 100, kind, comparisons: comparisons.slice(2) })).toMatch(
    /^No difference is beyond chance/,
  );
});
