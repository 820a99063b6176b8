import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { learningRate } from "../../src/training/optimiser/schedule.ts";
import { trainingOptions } from "../../src/training/options/options.ts";
import { sampler, stepsOf } from "../../src/training/steps/sampler.ts";

describe("sampler", () => {
  it("shows every face once an epoch, in another order each time", () => {
    const options = trainingOptions({ batch: 5, seed: 3 });
    const draw = sampler(options, 10);
    const epochs = [0, 1, 2].map((epoch) =>
      [2 * epoch, 2 * epoch + 1].flatMap((step) => draw(step).map((face) => face.index)),
    );
    for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it("gives a step the same faces whether the run started there or before", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 40 }), fc.nat(), (length, step, seed) => {
        const options = trainingOptions({ batch: 7, seed });
        const whole = sampler(options, length);
        for (let before = 0; before < step; before++) whole(before);
        expect(whole(step)).toEqual(sampler(options, length)(step));
      }),
      { numRuns: 50 },
    );
  });

  it("keeps the asked-for shares", () => {
    const options = trainingOptions({ batch: 1000, sharpShare: 0.2, lrPixels: [8, 16] });
    const draws = sampler(options, 50)(0);
    const share = (test: (draw: (typeof draws)[number]) => boolean): number => draws.filter(test).length / draws.length;
    expect(share((draw) => draw.degrade === undefined)).toBeCloseTo(0.2, 1);
    expect(share((draw) => draw.degrade?.kind === "lr" && draw.degrade.pixels === 8)).toBeCloseTo(0.4, 1);
    expect(share((draw) => draw.flip)).toBeCloseTo(0.5, 1);
    expect(sampler({ ...options, flip: false }, 50)(0).some((draw) => draw.flip)).toBe(false);
  });

  it("draws what it drew before there were other degradations", () => {
    const draw = sampler(trainingOptions({ seed: 7, batch: 6, sharpShare: 0.2, degrade: "lr" }), 10);
    const list = (step: number) =>
      draw(step).map(({ index, flip, degrade }) => [index, flip, degrade?.kind === "lr" ? degrade.pixels : 0]);
    expect(list(0)).toEqual([
      [4, false, 0],
      [9, false, 14],
      [0, true, 8],
      [8, true, 16],
      [1, false, 0],
      [3, false, 14],
    ]);
    expect(list(5)).toEqual([
      [1, true, 24],
      [4, false, 8],
      [3, true, 20],
      [8, true, 12],
      [5, true, 12],
      [2, true, 24],
    ]);
  });

  it("draws from a camera's ranges, another degradation for every position, faces and flips as without", () => {
    const options = trainingOptions({ batch: 200, sharpShare: 0.2, seed: 5 });
    const camera = sampler({ ...options, degrade: "down=8-10,noise=2-3" }, 50)(3);
    const plain = sampler(options, 50)(3);
    expect(camera.map(({ index, flip }) => [index, flip])).toEqual(plain.map(({ index, flip }) => [index, flip]));
    expect(camera.map(({ degrade }) => degrade === undefined)).toEqual(
      plain.map(({ degrade }) => degrade === undefined),
    );
    const drawn = camera.flatMap(({ degrade }) => (degrade?.kind === "camera" ? [degrade] : []));
    expect(new Set(drawn.map(({ seed }) => seed)).size).toBe(drawn.length);
    expect(new Set(drawn.map(({ stages }) => stages[0]?.value))).toEqual(new Set([8, 9, 10]));
    for (const { stages } of drawn) expect(stages[1]?.value).toBeGreaterThanOrEqual(2);
  });

  it("ends an epoch with its last whole batch on request", () => {
    const options = trainingOptions({ batch: 4, dropLast: true, seed: 2, epochs: 3 });
    expect(stepsOf(options, 11)).toBe(6);
    const draw = sampler(options, 11);
    const epochs = [0, 1, 2].map((epoch) =>
      [2 * epoch, 2 * epoch + 1].flatMap((step) => draw(step).map(({ index }) => index)),
    );
    for (const epoch of epochs) expect(new Set(epoch).size).toBe(8);
    expect(new Set(epochs.flat()).size).toBe(11);
    expect(stepsOf(options, 3)).toBe(3);
    expect(sampler(options, 3)(1)).toHaveLength(4);
  });

  it("counts at least one step", () => {
    expect(stepsOf({ epochs: 1, batch: 32, dropLast: false }, 3)).toBe(1);
    expect(stepsOf({ epochs: 3, batch: 32, dropLast: false }, 3200)).toBe(300);
  });
});

describe("learningRate", () => {
  it.each(["cosine", "polynomial"] as const)("rises to the peak and falls towards zero (%s)", (decay) => {
    const options = { learningRate: 1, warmup: 0.1, warmupEpochs: 0, firstStep: "warm", decay } as const;
    const rates = Array.from({ length: 100 }, (_, step) => learningRate(options, step, 100, 10));
    expect(rates[0]).toBeCloseTo(0.1, 12);
    expect(rates[9]).toBe(1);
    expect(rates[10]).toBe(1);
    for (let step = 11; step < 100; step++) expect(rates[step]).toBeLessThan(itemAt(rates, step - 1));
    expect(rates[99]).toBeGreaterThan(0);
    expect(rates[99]).toBeLessThan(0.02);
    expect(rates[55]).toBeCloseTo(0.5, 12);
  });

  it("is the released code's running product, with a warm-up in epochs (1e-9)", () => {
    const options = { learningRate: 5e-4, warmup: 0, warmupEpochs: 2, firstStep: "full", decay: "polynomial" } as const;
    const [steps, epoch, warm] = [200, 15, 30];
    let rate = 5e-4;
    for (let step = 0; step < steps; step++) {
      // PolynomialLRWarmup of power 1: the first step takes the optimiser's own rate.
      if (step > 0 && step <= warm) rate = (5e-4 * step) / warm;
      else if (step > warm) rate *= (1 - (step - warm) / (steps - warm)) / (1 - (step - 1 - warm) / (steps - warm));
      expect(Math.abs(learningRate(options, step, steps, epoch) - rate)).toBeLessThan(1e-9);
    }
  });
});

describe("trainingOptions", () => {
  it("refuses choices out of range, naming the option", () => {
    expect(() => trainingOptions({ rank: 0 })).toThrow("'rank'");
    expect(() => trainingOptions({ gate: "twin", rank: 5 })).toThrow("odd");
    expect(() => trainingOptions({ learningRate: Number.NaN })).toThrow("'learningRate'");
    expect(() => trainingOptions({ lrPixels: [] })).toThrow("'lrPixels'");
    expect(() => trainingOptions({ sharpShare: 1.5 })).toThrow("'sharpShare'");
  });

  it("lets one choice override a preset", () => {
    expect(trainingOptions({ preset: "paper" })).toMatchObject({ gate: "twin", loss: "cosface" });
    expect(trainingOptions({ preset: "paper", loss: "distil", rank: undefined })).toMatchObject({
      loss: "distil",
      rank: 16,
    });
  });
});
