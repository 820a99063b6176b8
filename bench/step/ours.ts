/**
 * Our contender: the training step as petalface runs it, in a process of its own that takes orders
 * on standard input.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setBatch, type Tensor } from "onnx-grad";
import { facesAtOnce } from "petalface/backbones";
import { floatsOf, openSession } from "petalface/runtime";
import { clipFactor, freshMoments, l2Norm, optimize, trainingOptions, trainingSession } from "petalface/training";
import { readFloats } from "../skeleton/floats.ts";
import { openNetwork } from "./networks.ts";
import { takeOrders } from "./orders.ts";
import { trainingGraphOf } from "./training-graph.ts";
import { recipe } from "./workload.ts";

const {
  network: name,
  batch,
  threads,
  folder,
  task,
  values: file,
  int8 = false,
  fast = false,
} = JSON.parse(process.argv[2] ?? "{}") as {
  network: string;
  batch: number;
  threads: number;
  folder: string;
  task: "step" | "embed";
  values: string;
  int8?: boolean;
  /** Embeds as with `--fast`. */
  fast?: boolean;
};

/** The loss and the gradient of a step; the first number of the embeddings, and them. */
interface Outcome {
  readonly loss: number;
  readonly values: Float32Array;
}

const stepDone = takeOrders();
const network = await openNetwork(name, join(folder, "model.onnx"));
const [theta, input, alpha, target] = (await Promise.all(
  ["theta", "input", "alpha", "target"].map((file) => readFloats(join(folder, `${file}.f32`))),
)) as [Float32Array, Float32Array, Float32Array, Float32Array];
const tensor = (data: Float32Array, dims: readonly number[]): Tensor => ({ dtype: "float32", dims, data });
const image = tensor(input, [batch, ...network.inputShape]);
const run = task === "embed" ? await embedding() : await training();

/** Embeds as many faces at a time as `petalface embed` does. */
async function embedding(): Promise<() => Promise<Outcome>> {
  const { backbone } = network;
  const rows = Math.min(batch, facesAtOnce("cpu", backbone.parameters));
  const session = await openSession(setBatch(backbone.graph, rows), {
    threads,
    ...(fast && { optimisation: "free" }),
  });
  const face = input.length / batch;
  return async () => {
    const values = new Float32Array(batch * backbone.width);
    for (let at = 0; at < batch; at += rows) {
      const part = tensor(input.subarray(at * face, (at + rows) * face), [rows, ...network.inputShape]);
      values.set(floatsOf(await session.run({ [backbone.input]: part }), backbone.output), at * backbone.width);
    }
    return { loss: values[0], values };
  };
}

async function training(): Promise<() => Promise<Outcome>> {
  // In as many parts as petalface cuts such a batch into.
  const { accumulate: parts } = trainingOptions({ batch });
  const rows = batch / parts;
  const { graph, input: imageName, alpha: alphaName, loss } = trainingGraphOf(network, rows);
  const session = await openSession(graph, { ...trainingSession(network.backbone, { threads }), int8 });
  const part = ({ data, dims }: Tensor, at: number): Tensor => {
    const length = data.length / parts;
    return tensor((data as Float32Array).subarray(at * length, (at + 1) * length), [rows, ...dims.slice(1)]);
  };
  const whole = {
    [imageName]: image,
    [alphaName]: tensor(alpha, [batch]),
    target: tensor(target, [batch, network.backbone.width]),
  };
  const feeds = Array.from({ length: parts }, (_, at) =>
    Object.fromEntries(Object.entries(whole).map(([name, value]) => [name, part(value, at)])),
  );
  const moments = freshMoments(theta.length);
  const optimiser = trainingOptions({ weightDecay: recipe.weightDecay });
  let step = 0;
  return async () => {
    const gradient = new Float32Array(theta.length);
    let mean = 0;
    for (const feed of feeds) {
      const results = await session.run({ ...feed, theta: tensor(theta, [theta.length]) });
      mean += floatsOf(results, loss)[0] / parts;
      floatsOf(results, "grad_theta").forEach((value, i) => {
        gradient[i] += value / parts;
      });
    }
    step++;
    optimize(theta, gradient, moments, step, {
      ...optimiser,
      rate: recipe.rate,
      gradientScale: clipFactor(l2Norm(gradient), recipe.clip),
    });
    return { loss: mean, values: gradient };
  };
}

const first = await run();
await writeFile(join(folder, `${file}.f32`), first.values);
stepDone(first.loss);
for (;;) stepDone((await run()).loss);
