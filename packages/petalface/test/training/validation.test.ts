import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type AdaptContext,
  adapt,
  type OpenValidator,
  resume,
  type TrainingChoices,
} from "../../src/training/index.ts";
import { validationDue } from "../../src/training/run/validation.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";

const folder = temporaryFolder("petalface-validation-");
const model = tinyModelIn(folder);

describe("validationDue", () => {
  it("is before the first step, every so many, once an epoch, and after the last", () => {
    const due = (every: number): number[] => {
      const run = { every, steps: 11, batch: 4, images: 10 };
      return Array.from({ length: 12 }, (_, step) => step).filter((step) => validationDue(step, run));
    };
    expect(due(5)).toEqual([0, 5, 10, 11]);
    // Epochs of 10 images end within steps 3, 5, 8 and 10.
    expect(due(0)).toEqual([0, 3, 5, 8, 10, 11]);
  });
});

/** Where every run here starts: at the weights that the first validation of all sees. */
let start: Float32Array | undefined;

/**
 * A protocol whose value is best half a unit from the start. Training moves away from there and
 * ends further off, whatever its losses are.
 */
function protocol(fingerprint = "one", seen: Float32Array[] = []): OpenValidator {
  return async () => ({
    measure: "closeness",
    fingerprint,
    async evaluate({ theta }, signal) {
      signal?.throwIfAborted();
      seen.push(theta.slice());
      start ??= theta.slice();
      const from = start;
      const moved = Math.hypot(...theta.map((value, at) => value - (from[at] ?? 0)));
      return { value: 1 - Math.abs(moved - 0.5), standardError: 0.01 };
    },
    close: async () => {},
  });
}

const options: TrainingChoices = {
  batch: 4,
  lrPixels: [4, 6],
  sites: "all",
  rank: 4,
  epochs: 10,
  learningRate: 0.01,
  validateEvery: 5,
};
const train = "synthetic:people=12,images=2,seed=5";
const validation = { protocol: "closeness", pixels: [4] };

const valuesOf = async (run: string): Promise<{ step: number; validation: { value: number; best: boolean } }[]> =>
  (await readFile(join(run, "metrics.jsonl"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter((record) => "validation" in record);

describe("a run with a validation protocol", () => {
  it("keeps the best adapter, names it, and has the same bits when stopped at any step and resumed", async () => {
    const whole = join(folder, "whole");
    const seen: Float32Array[] = [];
    const context: AdaptContext = { threads: 1, openValidator: protocol("one", seen) };
    const result = await adapt({ model, train, validation, options, out: whole }, context);
    const values = await valuesOf(whole);
    expect(values.map(({ step }) => step)).toEqual(Array.from({ length: 13 }, (_, i) => 5 * i));
    const at = values.reduce(
      (one, value, i) => (value.validation.value > (values[one]?.validation.value ?? 0) ? i : one),
      0,
    );
    expect(at).toBeGreaterThan(0);
    expect(at).toBeLessThan(12);
    expect(result.run.result).toMatchObject({ steps: 60, best: { step: 5 * at, value: values[at]?.validation.value } });
    expect(result.adapter.theta).toEqual(seen[at]);
    const files = ["metrics.jsonl", "run.json", "checkpoint/state.safetensors", "adapter/adapter_model.safetensors"];
    const bits = (run: string): Promise<string[]> =>
      Promise.all(files.map(async (name) => (await readFile(join(run, name))).toString("base64")));

    const stopped = join(folder, "stopped");
    let first = true;
    for (const until of [1, 5, 9, 10, 33]) {
      const controller = new AbortController();
      const around: AdaptContext = {
        threads: 1,
        openValidator: protocol(),
        signal: controller.signal,
        onStep: ({ step }) => {
          if (step === until) controller.abort();
        },
      };
      const part = first
        ? await adapt({ model, train, validation, options, out: stopped }, around)
        : await resume(stopped, around);
      expect(part.finished).toBe(false);
      first = false;
    }
    // Stopped amid the validation after step 35, which is not noted yet.
    const controller = new AbortController();
    const within: AdaptContext = {
      threads: 1,
      openValidator: protocol(),
      signal: controller.signal,
      onStep: ({ step }) => {
        if (step === 35) queueMicrotask(() => controller.abort());
      },
    };
    expect((await resume(stopped, within)).finished).toBe(false);
    await expect(resume(stopped, { threads: 1 })).rejects.toThrow("give openValidator");
    await expect(resume(stopped, { threads: 1, openValidator: protocol("two") })).rejects.toThrow(
      /closeness is not the validation protocol that .* was started with/,
    );
    expect((await resume(stopped, { threads: 1, openValidator: protocol() })).finished).toBe(true);
    expect(await bits(stopped)).toEqual(await bits(whole));
  });

  it("stops when its patience is at an end, and then has nothing left to do", async () => {
    const out = join(folder, "early");
    const context: AdaptContext = { threads: 1, openValidator: protocol() };
    const { run } = await adapt({ model, train, validation, options: { ...options, patience: 2 }, out }, context);
    const { steps, best } = run.result ?? { steps: 0, best: { step: 0 } };
    expect(steps).toBe(best.step + 10);
    expect(steps).toBeLessThan(60);
    const again = await resume(out, context);
    expect(again.finished).toBe(true);
    expect(again.run.result).toEqual(run.result);
  });
});
