import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  alphaOf,
  calibrate,
  calibrateAsPaper,
  measureOf,
  parseCalibration,
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
