import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  alphaOf,
  calibrate,
  calibrateAsPaper,
  calibrateOnScores,
  calibrateOnSet,
  lookAtSet,
  measureOf,
  parseCalibration,
  printSet,
  quantile,
} from "../../src/quality/index.ts";

const sharpness = measureOf("sharpness");

describe("calibrate", () => {
  const sharp = Array.from({ length: 101 }, (_, i) => 10 + i / 10);
  const degraded = Array.from({ length: 101 }, (_, i) => i / 20);

  it("gives alpha 1 to all but 5 % of the sharp faces and 0 to half of the degraded ones", () => {
    const calibration = calibrate(sharpness, sharp, degraded);
    expect(sharp.filter((score) => alphaOf(calibration, score) === 1)).toHaveLength(96);
    expect(degraded.filter((score) => alphaOf(calibration, score) === 0)).toHaveLength(51);
  });

  it("does not care which direction the measure has", () => {
    const mirrored = calibrate(
      sharpness,
      sharp.map((score) => -score),
      degraded.map((score) => -score),
    );
    const calibration = calibrate(sharpness, sharp, degraded);
    fc.assert(
      fc.property(fc.double({ min: -50, max: 50, noNaN: true }), (score) => {
        const alpha = alphaOf(calibration, score);
        expect(alpha).toBeGreaterThanOrEqual(0);
        expect(alpha).toBeLessThanOrEqual(1);
        expect(alphaOf(mirrored, -score)).toBeCloseTo(alpha, 10);
      }),
    );
  });

  it("says so when the measure cannot tell sharp from degraded, or is broken", () => {
    expect(() => calibrate(sharpness, degraded, degraded)).toThrow("cannot tell");
    expect(() => calibrate(sharpness, [1, Number.NaN], degraded)).toThrow("NaN");
    expect(() => calibrate(sharpness, sharp, [])).toThrow("no degraded");
    expect(() => calibrate(sharpness, [3, 3], [3, 3])).toThrow("every training face the score 3");
  });
});

describe("a set", () => {
  const faces = 200;
  /** Detail in pixels of a set of which this share is blurred. */
  const details = (share: number): number[] =>
    Array.from({ length: faces }, (_, i) => (i < share * faces ? 14 + (i % 9) : 65 + (i % 30)));
  const copies = Array.from({ length: faces }, (_, i) => 20 + (i % 9));

  it("is sharp, blurred, or both together", () => {
    const kindOf = (share: number): string => lookAtSet(details(share), copies, 112).kind;
    expect([0, 0.05, 0.06, 0.5, 0.94, 0.97, 1].map(kindOf)).toEqual(
      ["sharp", "sharp", "mixed", "mixed", "mixed", "blurred", "blurred"], // from all sharp to none
    );
    expect(lookAtSet(details(0.5), copies, 112)).toMatchObject({ faces, blurred: 0.5, pixels: (24 + 62.5) / 2 });
    expect(lookAtSet(details(0), [90, 95], 112).kind).toBe("unknown");
    expect(printSet(lookAtSet(details(0.25), copies, 112))).toMatch(/together: 25 % of 200 faces have less than 43 px/);
    expect(printSet(lookAtSet(details(1), copies, 112))).toMatch(/^blurred faces: 100 %/);
    expect(printSet(lookAtSet(details(0), [90], 112))).toBeUndefined();
  });

  it("that is mixed has the range of its sharp faces, whichever way scores count", () => {
    for (const sign of [1, -1]) {
      const detail = details(0.4);
      const stored = detail.map((value) => sign * Math.log(value));
      const worse = detail.map((value) => sign * Math.log(Math.min(value, 24)));
      const set = lookAtSet(detail, copies, 112);
      const { low, high } = calibrateOnSet(sharpness, { stored, copies: worse }, detail, set);
      expect(low).toBeCloseTo(sign * Math.log(24), 10);
      expect(sign * high).toBeGreaterThan(Math.log(65));
      expect(sign * high).toBeLessThan(Math.log(68));
      // Without looking at the set, half of its faces would have been taken for sharp ones.
      expect(() => calibrate(sharpness, stored, worse)).toThrow("cannot tell");
    }
  });

  it("that brings its scores has their range, or says why there is none", () => {
    const external = measureOf("external");
    const detail = details(0.4);
    const set = lookAtSet(detail, copies, 112);
    for (const sign of [1, -1]) {
      const scores = detail.map((value, i) => sign * (value < 43 ? 0.1 + (i % 5) / 100 : 0.7 + (i % 5) / 100));
      const fitted = calibrateOnScores(external, scores, detail, set);
      expect(fitted.low).toBeCloseTo(0.12 * sign, 10);
      expect(fitted.high).toBeCloseTo(0.7 * sign, 10);
    }
    const noise = detail.map((_, i) => (i * 7919) % 101);
    const refused: [readonly number[], readonly number[], RegExp][] = [
      [detail.map(() => 5), detail, /says 5 of every training face/],
      [noise, detail, /it is unclear whether a higher value of the column quality is better/],
      [[...detail.slice(1), Number.NaN], detail, /"external" gave NaN on training face 199/],
      [details(0), details(0), /0 % of the training faces have less than 43 px/],
      [details(1), details(1), /100 % of the training faces have less than 43 px/],
    ];
    for (const [scores, own, message] of refused)
      expect(() => calibrateOnScores(external, scores, own, lookAtSet(own, copies, 112))).toThrow(message);
  });
});

describe("the paper's rule", () => {
  it("is 0.5 + (score - mean), neither clamped nor turned", () => {
    const calibration = calibrateAsPaper(sharpness, [20, 30, 40]);
    expect(calibration).toEqual({ kind: "paper", measure: "sharpness", threshold: 30 });
    expect([0, 30, 45].map((score) => alphaOf(calibration, score))).toEqual([-29.5, 0.5, 15.5]);
    expect(() => calibrateAsPaper(sharpness, [1, Number.POSITIVE_INFINITY])).toThrow("Infinity");
  });
});

describe("parseCalibration", () => {
  it("reads what JSON made of a calibration, and says what is wrong with any other", () => {
    for (const calibration of [
      { measure: "sharpness", low: 1, high: 2 },
      { kind: "paper", measure: "norm", threshold: 3.5 },
    ])
      expect(parseCalibration(JSON.parse(JSON.stringify(calibration)), "x.json")).toEqual(calibration);
    const refused: [unknown, string][] = [
      [null, "not an object"],
      [{ measure: "sharpness", low: 1, high: 1 }, "the same"],
      [{ measure: "sharpness", low: "1", high: 2 }, '"calibration.low" is not a number'],
      [{ measure: "beauty", low: 1, high: 2 }, "there is no quality measure"],
      [{ kind: "magic", measure: "norm", low: 1, high: 2 }, "known: linear, paper"],
      [{ kind: "paper", measure: "norm" }, '"calibration.threshold"'],
    ];
    for (const [value, message] of refused) expect(() => parseCalibration(value, "x.json")).toThrow(message);
  });
});

describe("quantile", () => {
  it("interpolates between neighbours", () => {
    expect(quantile([4, 1, 3, 2], 0)).toBe(1);
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([4, 1, 3, 2], 1)).toBe(4);
  });
});
