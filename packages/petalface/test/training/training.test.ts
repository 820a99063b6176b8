import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "onnx-grad";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { findSites, initialTheta } from "../../src/adapters/index.ts";
import { openBackbone } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { encodeSafetensors, readSafetensors } from "../../src/tensors/index.ts";
import { adapt, lossNames, resume, type TrainingChoices, trainingOptions } from "../../src/training/index.ts";
import { trainingGraph } from "../../src/training/steps/graph.ts";
import { tinyAdapter, tinySize, tinyWidth, writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";

const folder = temporaryFolder("petalface-training-");
const model = tinyModelIn(folder);

const small: TrainingChoices = { batch: 4, lrPixels: [4, 6], sites: "all", rank: 4, quality: "sharpness" };
const people = "synthetic:people=12,images=2,seed=5";

const lossesOf = async (run: string): Promise<number[]> =>
  (await readFile(join(run, "metrics.jsonl"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => (JSON.parse(line) as { loss: number }).loss);

describe("trainingGraph", () => {
  it.each(lossNames.flatMap((loss) => (["low", "twin"] as const).map((gate) => ({ loss, gate }))))(
    "has the gradient of its loss ($loss, $gate gate; finite differences)",
    async ({ loss, gate }) => {
      const backbone = await openBackbone(model);
      const options = trainingOptions({ ...small, loss, gate, batch: 3, magnitudes: [0.5, 8] });
      const config = tinyAdapter(
        findSites(backbone.graph).sites.map((site) => site.name),
        gate,
      );
      const classes = loss === "distil" ? 0 : 5;
      const training = trainingGraph(backbone, config, options, classes);
      const stream = random("finite differences", 1);
      const normal = (dims: number[], size = 1): Tensor => {
        const length = dims.reduce((product, dim) => product * dim, 1);
        return { dtype: "float32", dims, data: Float32Array.from({ length }, () => size * stream.normal()) };
      };
      const vector = (...data: number[]): Tensor => ({
        dtype: "float32",
        dims: [data.length],
        data: Float32Array.from(data),
      });
      const theta = (await initialTheta(backbone, training.layout, 1)).map((value) => value + 0.1 * stream.normal());
      const onehot = new Float32Array(3 * classes).fill(0);
      for (let row = 0; row < 3 && classes > 0; row++) onehot[row * classes + ((2 * row) % classes)] = 1;
      const feeds: Record<string, Tensor> = {
        [training.inputs.image]: normal([3, 3, tinySize, tinySize]),
        theta: { dtype: "float32", dims: [theta.length], data: theta },
        ...(training.inputs.target && { target: normal([3, tinyWidth], 1 / Math.sqrt(tinyWidth)) }),
        ...(training.inputs.centres && {
          centres: normal([classes, tinyWidth]),
          onehot: { dtype: "float32" as const, dims: [3, classes], data: onehot },
        }),
        // AdaFace's lengths lie about 2; started, so that they are compared with a mean and
        // deviation of before.
        ...(training.inputs.lossState && {
          loss_state: loss.endsWith("adaface") ? vector(2, 0.7, 1) : vector(0.2),
        }),
      };
      const session = await openSession(training.graph, { threads: 1 });
      const results = await session.run(feeds);
      const lossOf = (result: Record<string, Tensor>): number =>
        floatsOf(result, training.outputs.loss)[0] ?? Number.NaN;
      /**
       * Relative error along `direction`: against the larger of both slopes, of `floor`, and of
       * what float32 resolves.
       */
      const errorAlong = async (
        input: string,
        gradient: Float32Array,
        direction: Float32Array,
        floor: number,
        step: number,
      ) => {
        const { dims = [], data = [] } = feeds[input] ?? {};
        const lossAt = async (factor: number): Promise<number> => {
          const moved = Float32Array.from(direction, (value, i) => Number(data[i]) + factor * step * value);
          return lossOf(await session.run({ ...feeds, [input]: { dtype: "float32", dims, data: moved } }));
        };
        const [front, back] = [await lossAt(1), await lossAt(-1)];
        const slope = (front - back) / (2 * step);
        const along = gradient.reduce((sum, value, i) => sum + value * (direction[i] ?? 0), 0);
        const noise = (2e-7 * Math.max(Math.abs(front), Math.abs(back))) / step;
        const scale = Math.max(Math.abs(slope), Math.abs(along), floor);
        return Math.max(0, Math.abs(slope - along) - noise) / scale;
      };
      const gradient = floatsOf(results, "grad_theta");
      // Along the gradient itself the slope is its length, far above the noise of float32.
      const length = Math.hypot(...gradient);
      expect(length).toBeGreaterThan(0.1);
      const unit = gradient.map((value) => value / length);
      const own = await errorAlong("theta", gradient, unit, 0, 2e-3);
      // Where the gradient of a whole tensor is wrongly zero, only a direction that does not come
      // from it sees so.
      const errors = new Map<string, number>();
      for (const slot of training.layout.slots) {
        const direction = gradient.map((_, i) =>
          i >= slot.offset && i < slot.offset + slot.length ? stream.normal() : 0,
        );
        const part = Math.hypot(...gradient.subarray(slot.offset, slot.offset + slot.length));
        errors.set(slot.name, await errorAlong("theta", gradient, direction, part, 1e-3));
      }
      if (training.inputs.centres && training.outputs.centres) {
        const slopes = floatsOf(results, training.outputs.centres);
        const direction = slopes.map(() => stream.normal());
        errors.set("centres", await errorAlong("centres", slopes, direction, Math.hypot(...slopes), 1e-3));
      }
      await session.close();
      expect(own).toBeLessThan(0.01);
      expect([...errors].filter(([, error]) => !(error < 0.05))).toEqual([]);
    },
  );
});

describe("adapt", () => {
  it.each([
    { method: "lora", gate: "low", loss: "distil" },
    { method: "lora", gate: "twin", loss: "cosface" },
    { method: "lora", gate: "hat", loss: "distil+cosface" },
    { method: "full", gate: "single", loss: "distil" },
    { method: "head", gate: "single", loss: "distil" },
  ] as const)("lowers its loss ($method, $gate gate, $loss)", async (choices) => {
    const run = join(folder, `learns-${choices.method}-${choices.gate}`);
    // A random network hardly tells people apart: without a margin there is something to learn in a
    // minute.
    const easy = { margin: 0, logitScale: 16, learningRate: choices.loss === "distil" ? 3e-3 : 3e-2 };
    const options = { ...small, ...choices, ...easy, epochs: 10, sharpShare: 0, flip: false };
    const result = await adapt({ model, train: people, options, out: run }, { threads: 1 });
    const losses = await lossesOf(run);
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(result.finished).toBe(true);
    expect(losses).toHaveLength(60);
    expect(mean(losses.slice(-12))).toBeLessThan(0.95 * mean(losses.slice(0, 12)));
  });

  it("gives the same bits twice, and also when it is stopped and resumed", async () => {
    const options = { ...small, loss: "distil+cosface", epochs: 4, seed: 7 } as const;
    const whole = await adapt({ model, train: people, options, out: join(folder, "whole") }, { threads: 1 });
    const again = await adapt({ model, train: people, options, out: join(folder, "again") }, { threads: 1 });
    expect(again.adapter.theta).toEqual(whole.adapter.theta);

    const stopped = join(folder, "stopped");
    let result = await stopAfter(7, (context) => adapt({ model, train: people, options, out: stopped }, context));
    expect(result.finished).toBe(false);
    result = await stopAfter(15, (context) => resume(stopped, context));
    expect(result.finished).toBe(false);
    result = await resume(stopped, { threads: 1 });
    expect(result.finished).toBe(true);
    expect(result.adapter.theta).toEqual(whole.adapter.theta);
    expect(await readFile(join(stopped, "metrics.jsonl"), "utf8")).toBe(
      await readFile(join(folder, "whole", "metrics.jsonl"), "utf8"),
    );
  });

  it("refuses what cannot work, before it makes a run", async () => {
    const out = join(folder, "refused");
    const attempt = (options: TrainingChoices, train = people): Promise<unknown> =>
      adapt({ model, train, options, out }, { threads: 1 });
    await expect(attempt({ ...small, loss: "cosface" }, "synthetic:people=1,images=3")).rejects.toThrow(
      "at least two people",
    );
    await expect(attempt({ ...small, sites: "nothing" })).rejects.toThrow("no layer matches");
    await expect(attempt({ ...small, quality: "beauty" })).rejects.toThrow("no quality measure");
    await expect(attempt({ ...small, calibration: "photos" })).rejects.toThrow(
      "known for sharpness and resolution at 112 px",
    );
    await expect(resume(join(folder, "nowhere"))).rejects.toThrow("is not a run");
  });

  it("does not go on with another model, other data, or a checkpoint of another run", async () => {
    const [out, own, faces] = [join(folder, "changed"), join(folder, "own.onnx"), join(folder, "faces")];
    await writeTinyBackbone(own);
    for (const name of ["a", "b", "c", "d"]) await mkdir(join(faces, name), { recursive: true });
    const noise = Uint8Array.from({ length: 20 * 20 * 3 }, (_, i) => (i * i * 37) % 256);
    const raw = { width: 20, height: 20, channels: 3 } as const;
    const png = await sharp(noise, { raw }).png().toBuffer();
    for (const name of ["a/1.png", "b/1.png", "c/1.png", "d/1.png"]) await writeFile(join(faces, name), png);
    await stopAfter(1, (context) =>
      adapt(
        { model: own, train: faces, options: { ...small, epochs: 9, calibration: "fit" }, out },
        { ...context, threads: 1 },
      ),
    );
    await writeFile(join(faces, "d", "2.png"), png);
    await expect(resume(out)).rejects.toThrow(/faces is not the data that .*changed was started with/);
    await rm(join(faces, "d", "2.png"));
    await writeTinyBackbone(own, 2);
    await expect(resume(out)).rejects.toThrow(/own\.onnx is not the model that .*changed was started with/);
    await writeTinyBackbone(own);
    const record = JSON.parse(await readFile(join(out, "run.json"), "utf8"));
    const changed = { ...record, options: { ...record.options, optimizer: "sgd" } };
    await writeFile(join(out, "run.json"), JSON.stringify(changed));
    await expect(resume(out)).rejects.toThrow(/does not fit this run; it was made with other options/);
  });

  it("starts again from the beginning where a kill came before the first checkpoint", async () => {
    const out = join(folder, "no-checkpoint");
    const options = { ...small, epochs: 2, loss: "cosface" } as const;
    const whole = await adapt({ model, train: people, options, out }, { threads: 1 });
    for (const name of ["checkpoint", "adapter", "metrics.jsonl"]) await rm(join(out, name), { recursive: true });
    expect((await resume(out, { threads: 1 })).adapter.theta).toEqual(whole.adapter.theta);
  });

  it("stops at a loss that is not finite, says what to do, and keeps the last checkpoint", async () => {
    const out = join(folder, "explodes");
    await stopAfter(3, (context) => adapt({ model, train: people, options: { ...small, epochs: 4 }, out }, context));
    const path = join(out, "checkpoint", "state.safetensors");
    const { tensors, metadata } = await readSafetensors(path);
    const theta = tensors.get("theta");
    theta?.data.fill(Number.NaN as never);
    const poisoned = encodeSafetensors(tensors, Object.fromEntries(metadata));
    await writeFile(path, poisoned);
    await expect(resume(out, { threads: 1 })).rejects.toThrow("lower 'learningRate'");
    expect(new Uint8Array(await readFile(path))).toEqual(new Uint8Array(poisoned));
  });
});

/** Runs a training that is interrupted once it has done this many steps. */
function stopAfter<T>(steps: number, run: (context: Parameters<typeof adapt>[1] & object) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  return run({
    threads: 1,
    signal: controller.signal,
    onStep: ({ step }) => {
      if (step >= steps) controller.abort();
    },
  });
}
