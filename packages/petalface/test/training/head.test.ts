import { join } from "node:path";
import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { adapt, resume, type TrainingChoices } from "../../src/training/index.ts";
import { freshMoments } from "../../src/training/optimiser/optimizer.ts";
import { hasState, loadState, saveState, type TrainingState } from "../../src/training/state/checkpoint.ts";
import { gatherRows, headOf, randomCentres, sampleClasses, updateHead } from "../../src/training/state/head.ts";
import { tinyWidth, writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-head-");

describe("sampleClasses", () => {
  it("has every label, each class once, ascending, as many as asked for, and depends on seed and step alone", () => {
    const few = fc.array(fc.nat(99_999), { minLength: 1, maxLength: 32 });
    fc.assert(
      fc.property(few, fc.nat(), fc.nat(), fc.integer({ min: 32, max: 500 }), (labels, seed, step, most) => {
        const classes = sampleClasses(100_000, labels, seed, step, most);
        expect(classes).toHaveLength(most);
        expect(classes.every((value, i) => i === 0 || value > itemAt(classes, i - 1))).toBe(true);
        for (const label of labels) expect(classes).toContain(label);
        expect(sampleClasses(100_000, labels, seed, step, most)).toEqual(classes);
      }),
    );
    expect(sampleClasses(7, [3], 0, 0, 100)).toEqual(Uint32Array.of(0, 1, 2, 3, 4, 5, 6));
  });

  it("draws the negatives evenly", () => {
    const seen = new Float64Array(10);
    for (let step = 0; step < 2000; step++)
      for (const value of sampleClasses(1000, [], 1, step, 50)) {
        const tenth = Math.floor(value / 100);
        seen[tenth] = itemAt(seen, tenth) + 1;
      }
    // 10,000 expected in each tenth; five standard deviations are 475.
    for (const count of seen) expect(Math.abs(count - 10_000)).toBeLessThan(475);
  });
});

describe("updateHead", () => {
  it.each(["adamw", "sgd"] as const)("moves the sampled centres and nothing else (%s)", (optimizer) => {
    const head = headOf(randomCentres(1000, 4, 1), 4, optimizer);
    const before = head.values.slice();
    const classes = Uint32Array.of(3, 500, 999);
    expect(gatherRows(head.values, classes, 4)).toHaveLength(12);
    const options = { optimizer, weightDecay: 0.1, momentum: 0.9, nesterov: false, rate: 0.1 };
    updateHead(head, classes, new Float32Array(12).fill(1), 1, options);
    for (const all of [head.values.map((value, i) => value - itemAt(before, i)), head.moments.first]) {
      const moved = new Set(
        Array.from(all.keys())
          .filter((i) => all[i] !== 0)
          .map((i) => Math.floor(i / 4)),
      );
      expect([...moved]).toEqual([...classes]);
    }
  });
});

describe("a head of 100,000 classes", () => {
  it("trains with 256 of them a step, and stops and goes on with the same bits", async () => {
    const model = join(folder, "tiny.onnx");
    await writeTinyBackbone(model);
    const options: TrainingChoices = {
      loss: "arcface",
      classesPerStep: 256,
      centreFaces: 0,
      rank: 4,
      sites: "all",
      batch: 16,
      lrPixels: [4, 6],
      epochs: 0.0016,
    };
    const train = "synthetic:people=100000,images=1";
    const whole = await adapt({ model, train, options, out: join(folder, "whole") }, { threads: 1 });
    expect(whole.run).toMatchObject({ steps: 10, data: { people: 100_000 } });
    const shape = {
      parameters: whole.adapter.theta.length,
      optimizer: "adamw",
      head: { classes: 100_000, width: tinyWidth },
      validates: false,
    } as const;
    const state = await loadState(join(folder, "whole"), shape);
    const first = randomCentres(100_000, tinyWidth, 0);
    const moved = Array.from({ length: 100_000 }, (_, row) => row).filter(
      (row) => state.head?.values[row * tinyWidth] !== first[row * tinyWidth],
    );
    expect(moved.length).toBeGreaterThan(2000);
    expect(moved.length).toBeLessThanOrEqual(2560);

    const stopped = join(folder, "stopped");
    const controller = new AbortController();
    const onStep = ({ step }: { step: number }): void => {
      if (step === 4) controller.abort();
    };
    const context = { threads: 1, signal: controller.signal, onStep };
    expect((await adapt({ model, train, options, out: stopped }, context)).finished).toBe(false);
    expect((await resume(stopped, { threads: 1 })).adapter.theta).toEqual(whole.adapter.theta);
    expect((await loadState(stopped, shape)).head?.values).toEqual(state.head?.values);
  });
});

describe("the checkpoint", () => {
  it("gives back what was saved, and refuses what does not fit or is torn", async () => {
    const run = join(folder, "state");
    const vector = (length: number, from: number) => Float32Array.from({ length }, (_, i) => from + i / 7);
    const state: TrainingState = {
      step: 12,
      theta: vector(5, 1),
      moments: { first: vector(5, 2), second: vector(5, 3) },
      head: { classes: 2, width: 3, first: 0, values: vector(6, 4), moments: freshMoments(6) },
      lossState: vector(3, 6),
      statistics: vector(4, 7),
      validation: {
        last: 9,
        waited: 1,
        best: { step: 6, value: 0.5, standardError: 0.1 },
        theta: vector(5, 9),
        statistics: vector(4, 8),
      },
    };
    expect(await hasState(run)).toBe(false);
    await saveState(run, state);
    expect(await hasState(run)).toBe(true);
    const head = { classes: 2, width: 3 };
    const shape = { parameters: 5, optimizer: "adamw", head, lossState: 3, statistics: 4, validates: true } as const;
    expect(await loadState(run, shape)).toEqual(state);
    await expect(loadState(run, { ...shape, parameters: 6 })).rejects.toThrow(/"theta" does not fit this run/);
    await expect(loadState(run, { ...shape, lossState: 1 })).rejects.toThrow(/"loss" does not fit this run/);
    await expect(loadState(run, { ...shape, optimizer: "sgd" })).rejects.toThrow(/does not fit this run/);
    await saveState(run, { ...state, validation: undefined });
    await expect(loadState(run, shape)).rejects.toThrow(/what it says of the validation is not understood/);
  });
});
