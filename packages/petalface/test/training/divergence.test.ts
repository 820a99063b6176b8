import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { random } from "../../src/random.ts";
import { trainingOptions } from "../../src/training/index.ts";
import { watchLoss } from "../../src/training/steps/divergence.ts";

const watch = (choices: Parameters<typeof trainingOptions>[0] = {}) =>
  watchLoss(trainingOptions(choices), { folder: "run", classes: 100 });

describe("watchLoss", () => {
  it("lets every noisy but healthy run go on: losses of any spread around a level that falls", () => {
    const shape = fc.record({
      seed: fc.nat(),
      level: fc.double({ min: 0.001, max: 60, noNaN: true }),
      spread: fc.double({ min: 0, max: 2, noNaN: true }),
      fall: fc.double({ min: 0, max: 0.02, noNaN: true }),
      batch: fc.constantFrom(1, 4, 32, 256),
      loss: fc.constantFrom("distil", "cosface", "distil+arcface" as const),
    });
    fc.assert(
      fc.property(shape, ({ seed, level, spread, fall, batch, loss }) => {
        const losses = watch({ batch, loss } as Parameters<typeof trainingOptions>[0]);
        const stream = random("noise", seed);
        // A few images give a noisy mean: log-normal, with a tail of losses ten times as high.
        for (let step = 1; step <= 600; step++)
          losses.add(
            step,
            level * Math.exp((spread * stream.normal()) / Math.sqrt(Math.min(batch, 4)) - fall * step),
            1,
          );
      }),
      { numRuns: 100 },
    );
  });

  it("lets forty bad steps pass, and is not calm in them", () => {
    const losses = watch();
    for (let step = 1; step <= 100; step++) losses.add(step, 5, 1);
    for (let step = 101; step <= 140; step++) losses.add(step, 30, 1);
    expect(losses.calm).toBe(false);
    losses.add(141, 5, 1);
    expect(losses.calm).toBe(true);
  });

  it("stops after fifty steps of an exploded loss, and says what to lower", () => {
    const losses = watch({ learningRate: 0.4 });
    for (let step = 1; step <= 100; step++) losses.add(step, 5, 1);
    const explode = (): void => {
      for (let step = 101; step <= 400; step++) losses.add(step, 5 + 0.3 * (step - 100), 1);
    };
    expect(explode).toThrow(
      /^step 1\d\d: .*twice|above 2 times its usual .*lower 'learningRate' \(now 0\.4\).*'resume' run 'learningRate=0\.1'$/,
    );
  });

  it.each([
    [Number.NaN, 1],
    [Number.POSITIVE_INFINITY, 1],
    [3, Number.NaN],
    [3, Number.POSITIVE_INFINITY],
  ])("stops at once at a loss of %d with a gradient of %d", (loss, norm) => {
    expect(() => watch().add(1, loss, norm)).toThrow(/^step 1: the loss is .* lower 'learningRate'/);
  });
});
