import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { differentiate, type Graph, itemAt, ops, type Tensor } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { type Adapter, buildAdapted, initialStatistics, layoutOf, toReference } from "../../src/adapters/index.ts";
import { architectureKey, type Backbone, maskTokens } from "../../src/backbones/index.ts";
import { floatsOf, openSession, type Session } from "../../src/runtime/index.ts";
import { readSafetensors, toFloat32 } from "../../src/tensors/index.ts";
import { marginLoss } from "../../src/training/losses/margin-loss.ts";
import { freshMoments } from "../../src/training/optimiser/optimizer.ts";
import { type TrainingChoices, type TrainingOptions, trainingOptions } from "../../src/training/options/options.ts";
import { headOf } from "../../src/training/state/head.ts";
import { followStatistics } from "../../src/training/state/statistics.ts";
import { applyStep } from "../../src/training/steps/step.ts";
import type { StepTask } from "../../src/training/steps/task.ts";
import { formulaInput } from "../support/formula.ts";
import {
  adaptedReference,
  oracleNets,
  type ReferenceCase,
  referenceCase,
  referenceCases,
  relativeError,
  specOf,
} from "../support/reference.ts";

const tensor = (data: Float32Array, ...dims: number[]): Tensor => ({ dtype: "float32", dims, data });

/** A case's network with its adapter, batch normalisations in training form if asked for. */
function adapted(reference: ReferenceCase, norms: boolean): { backbone: Backbone; adapter: Adapter } {
  const {
    backbone,
    adapter: { config, theta },
  } = adaptedReference(reference);
  return { backbone, adapter: { theta, config: { ...config, ...(norms && { batchNorm: "train" }) } } };
}

/** Forward, margin loss and backward of a batch as one graph. */
function training(backbone: Backbone, adapter: Adapter, options: TrainingOptions, batch: number, classes: number) {
  const trains = adapter.theta.length > 0;
  const built = buildAdapted(backbone, adapter.config, {
    theta: trains ? "input" : adapter.theta,
    alpha: "input",
    batch,
    ...(adapter.config.batchNorm === "train" && { statistics: "batch" }),
  });
  const { builder: b, embedding, batchStatistics } = built;
  const centres = b.input("centres", { dtype: "float32", shape: [classes, 512] });
  const onehot = b.input("onehot", { dtype: "float32", shape: [batch, classes] });
  const { value: loss, fixed } = marginLoss(ops(b), options, { embedding, centres, onehot, state: "" });
  const outputs = [embedding, ...(batchStatistics ? [batchStatistics.value] : [])];
  const wrt = trains ? ["theta", "centres"] : ["centres"];
  const graph: Graph = differentiate(b.build([loss, ...outputs]), {
    loss,
    fixed,
    outputs,
    wrt,
    names: wrt.map((name) => `grad_${name}`),
  });
  return { graph, input: built.input, loss, embedding, batchStatistics };
}

function marks(labels: readonly number[], classes: number): Tensor {
  const data = new Float32Array(labels.length * classes);
  labels.forEach((label, row) => {
    data[row * classes + label] = 1;
  });
  return tensor(data, labels.length, classes);
}

/** The margin losses of the released code. */
const lossOf = (loss: "cosface" | "arcface", more: TrainingChoices = {}): TrainingOptions =>
  trainingOptions({ preset: "reference", loss, ...more });

describe.skipIf(!oracleNets.exists)("the released code in training mode (needs PETALFACE_SHARED)", () => {
  it.each(referenceCases)("$name: embedding, losses, gradients, running statistics", async ({ name, gradients }) => {
    const reference = await referenceCase(name);
    const { backbone, adapter } = adapted(reference, true);
    const layout = layoutOf(backbone, adapter.config);
    const [batch, classes] = [reference.labels.length, reference.io("head").length / 512];
    for (const loss of ["cosface", "arcface"] as const) {
      const made = training(backbone, adapter, lossOf(loss), batch, classes);
      const session = await openSession(made.graph, { threads: 1 });
      const results = await session.run({
        [made.input]: reference.images,
        centres: tensor(reference.io("head"), classes, 512),
        onehot: marks(reference.labels, classes),
        ...(session.inputs.includes("theta") && { theta: tensor(adapter.theta, adapter.theta.length) }),
        ...(session.inputs.includes("alpha") && {
          alpha: tensor(reference.alpha ?? new Float32Array(batch).fill(1), batch),
        }),
      });
      await session.close();
      expect(relativeError(floatsOf(results, made.embedding), reference.io("embedding_train"))).toBeLessThan(1e-4);
      const expected = itemAt(reference.io(`loss.${loss}.train`), 0);
      expect(Math.abs(itemAt(floatsOf(results, made.loss), 0) - expected), loss).toBeLessThan(1e-3);
      const head = floatsOf(results, "grad_centres");
      expect(relativeError(head, reference.io(`grad.${loss}.train.head`)), loss).toBeLessThan(1e-3);
      if (adapter.theta.length > 0) {
        const own = toReference(backbone, { ...adapter, theta: floatsOf(results, "grad_theta") });
        for (const [key, { data }] of own)
          expect(relativeError(data, reference.io(`grad.${loss}.train.${key}`)), `${loss} ${key}`).toBeLessThan(
            gradients,
          );
      }
      const { value = "", samples = [] } = made.batchStatistics ?? {};
      const before = await initialStatistics(backbone, layout.norms);
      const after = followStatistics(layout.norms, before, floatsOf(results, value), samples);
      const known = reference.names.filter((key) => /^bn_after\..*running_(mean|var)$/.test(key));
      expect(known).toHaveLength(2 * layout.norms.all.length);
      for (const { node, channels, offset } of layout.norms.all)
        for (const [i, what] of ["running_mean", "running_var"].entries()) {
          const values = after.subarray(offset + i * channels, offset + (i + 1) * channels);
          expect(relativeError(values, reference.io(`bn_after.${node}.${what}`)), `${node}.${what}`).toBeLessThan(1e-4);
        }
    }
  });

  it.each(["vit_iqa", "vit"])("%s: the embedding with masked tokens", async (name) => {
    const reference = await referenceCase(name);
    const { backbone, adapter } = adapted(reference, true);
    const maskToken = reference.state.get("mask_token")?.data as Float32Array;
    const metadata = new Map([
      [architectureKey, specOf(reference.config)],
      ["petalface.training.mask_token", Buffer.from(maskToken.slice().buffer).toString("base64")],
    ]);
    const masked = maskTokens({ ...backbone, graph: { ...backbone.graph, metadata } }, 0.1);
    const batch = reference.labels.length;
    const statistics = "batch" as const;
    const built = buildAdapted(masked, adapter.config, { theta: adapter.theta, alpha: "input", batch, statistics });
    const [selection] = built.noise;
    const [kept = 0, tokens = 0] = selection?.dims ?? [];
    expect([kept, tokens]).toEqual([129, 144]);
    const noise = reference.io("mask_noise");
    const chosen = new Float32Array(batch * kept * tokens);
    for (let image = 0; image < batch; image++) {
      const own = noise.subarray(image * tokens, (image + 1) * tokens);
      const order = Array.from(own.keys()).sort((a, b) => itemAt(own, a) - itemAt(own, b));
      order.slice(0, kept).forEach((token, row) => {
        chosen[(image * kept + row) * tokens + token] = 1;
      });
    }
    await using session = disposable(await openSession(built.builder.build([built.embedding]), { threads: 1 }));
    const results = await session.run({
      [built.input]: reference.images,
      [selection?.name ?? ""]: tensor(chosen, batch, kept, tokens),
      ...(session.inputs.includes("alpha") && {
        alpha: tensor(reference.alpha ?? new Float32Array(batch).fill(1), batch),
      }),
    });
    expect(relativeError(floatsOf(results, built.embedding), reference.io("embedding_train_masked"))).toBeLessThan(
      1e-4,
    );
  });

  it.each(["swin_iqa", "vit_iqa"])("%s: ten steps", async (name) => {
    const folder = join(oracleNets.path, `${name}_trajectory`);
    const record = JSON.parse(await readFile(join(folder, "trajectory.json"), "utf8")) as Trajectory;
    const { tensors } = await readSafetensors(join(folder, "trajectory.safetensors"));
    const stored = (key: string): Float32Array => toFloat32(tensors.get(key) as never);
    const labels = Array.from(tensors.get("labels")?.data as BigInt64Array, Number);
    const reference = await referenceCase(name);
    const { backbone, adapter } = adapted(reference, false);
    const [batches = 0, batch = 0] = record.x_shape;
    const classes = reference.io("head").length / 512;
    const options = lossOf("cosface", { batch, accumulate: 1, batchNorm: "frozen", warmup: 0.3, seed: 0 });
    const made = training(backbone, adapter, options, batch, classes);
    const images = formulaInput(record.x_shape.reduce((product, dim) => product * dim, 1));
    const face = images.length / batches;
    await using session = disposable(await openSession(made.graph, { threads: 1 }));
    const head = headOf(reference.io("head").slice(), 512);
    const theta = adapter.theta.slice();
    const state = {
      step: 0,
      theta,
      moments: freshMoments(theta.length),
      head,
      validation: undefined,
      lossState: new Float32Array(0),
      statistics: new Float32Array(0),
    };
    const run = (index: number): Promise<Record<string, Tensor>> =>
      session.run({
        [made.input]: tensor(
          images.slice(index * face, (index + 1) * face),
          ...[batch, 3, backbone.size, backbone.size],
        ),
        theta: tensor(state.theta, state.theta.length),
        centres: tensor(head.values, classes, 512),
        onehot: marks(labels.slice(index * batch, (index + 1) * batch), classes),
        alpha: tensor(stored("alpha").slice(index * batch, (index + 1) * batch), batch),
      });
    const all = Uint32Array.from({ length: classes }, (_, i) => i);
    const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0));
    for (const step of record.steps) {
      const results = await run(step.batch);
      const gradient = floatsOf(results, "grad_theta");
      const centreGradient = floatsOf(results, "grad_centres");
      const loss = itemAt(floatsOf(results, made.loss), 0);
      expect(Math.abs(loss - step.loss), `loss of step ${step.step}`).toBeLessThan(1e-3);
      const gradientNorm = norm(gradient);
      expect(gradientNorm / step.grad_norm_before_clip).toBeCloseTo(1, 2);
      expect(norm(centreGradient) / step.head_grad_norm).toBeCloseTo(1, 2);
      const task = { options, steps: record.steps.length, data: { length: labels.length } } as unknown as StepTask;
      const computed = { loss, gradient, gradientNorm, alpha: 0, classes: all, centreGradient };
      const { learningRate } = applyStep(task, state, {
        ...computed,
        lossState: state.lossState,
        statistics: state.statistics,
      });
      expect(Math.abs(learningRate - step.lr)).toBeLessThan(1e-9);
    }
    /**
     * Root of the mean square: AdamW lets single elements with hardly any gradient differ by a
     * whole step.
     */
    const distance = (values: Float32Array, key: string): number => {
      const expected = stored(key);
      return norm(values.map((value, i) => value - itemAt(expected, i))) / Math.sqrt(expected.length);
    };
    for (const [key, { data }] of toReference(backbone, { ...adapter, theta: state.theta }))
      expect(distance(data, `final.${key}`), key).toBeLessThan(1e-4);
    expect(distance(head.values, "final.head")).toBeLessThan(1e-4);
    expect(relativeError(floatsOf(await run(0), made.embedding), stored("final_embedding"))).toBeLessThan(1e-4);
  });
});

interface Trajectory {
  readonly x_shape: readonly number[];
  readonly steps: readonly {
    readonly step: number;
    readonly batch: number;
    readonly loss: number;
    readonly lr: number;
    readonly grad_norm_before_clip: number;
    readonly head_grad_norm: number;
  }[];
}

const disposable = (session: Session): Session & AsyncDisposable => ({
  ...session,
  [Symbol.asyncDispose]: () => session.close(),
});
