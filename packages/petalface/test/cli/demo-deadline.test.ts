import { describe, expect, it } from "vitest";
import { deadlineAfter, watchTraining } from "../../src/api/demo/deadline.ts";

describe("the demo's deadline", () => {
  it("lets in what ends before it, and everything where there is none", () => {
    const deadline = deadlineAfter(5, () => 200);
    expect([99, 100, 101].map(deadline.fits)).toEqual([true, true, false]);
    expect(deadlineAfter(Number.POSITIVE_INFINITY, () => 200).fits(1e9)).toBe(true);
  });

  /**
   * Steps after which a training of 50 that begins at `start` seconds is given up; undefined where
   * it ends.
   */
  function givenUp(start: number, secondsPerStep: (step: number) => number, after: number): number | undefined {
    let clock = start;
    const now = (): number => clock;
    const watch = watchTraining(deadlineAfter(5, now), 50, after, now);
    for (let step = 1; step <= 50; step++) {
      clock += secondsPerStep(step);
      if (!watch.fits(step)) return step;
    }
    return undefined;
  }

  it("is judged by the rate of the training's own steps, not by the first", () => {
    // 30 s to open, then 49 steps: 230 + 49 + 20 = 299 s.
    expect(givenUp(200, (step) => (step === 1 ? 30 : 1), 20)).toBeUndefined();
    expect(givenUp(200, (step) => (step === 1 ? 30 : 1), 22)).toBe(5);
    expect(givenUp(0, () => 10, 0)).toBe(5);
  });

  it("gives up what becomes slow early, and lets end what becomes slow late", () => {
    expect(givenUp(200, (step) => (step > 15 ? 4 : 1), 20)).toBeGreaterThan(15);
    expect(givenUp(200, (step) => (step > 15 ? 4 : 1), 20)).toBeLessThanOrEqual(25);
    expect(givenUp(200, (step) => (step > 26 ? 4 : 1), 20)).toBeUndefined();
  });
});
