/** Our contender: the training step as petalface runs it, in a process of its own that takes orders on standard input. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Tensor } from "onnx-grad";
import { floatsOf, openSession } from "petalface";
import { adamw, clipFactor, l2Norm } from "../../packages/petalface/src/training/adamw.ts";
import { trainingSession } from "../../packages/petalface/src/training/session.ts";
import { openNetwork } from "./networks.ts";
import { trainingGraphOf } from "./training-graph.ts";
import { readFloats, recipe } from "./workload.ts";

const {
  network: name,
  batch,
  threads,
  folder,
} = JSON.parse(process.argv[2] ?? "{}") as {
  network: string;
  batch: number;
  threads: number;
  folder: string;
};

const started = performance.now();
const network = await openNetwork(name, join(folder, "model.onnx"));
const [theta, input, alpha, target] = (await Promise.all(
  ["theta", "input", "alpha", "target"].map((file) => readFloats(folder, file)),
)) as [Float32Array, Float32Array, Float32Array, Float32Array];
const { graph, input: image, alpha: alphaName, loss } = trainingGraphOf(network, batch);
const session = await openSession(graph, trainingSession(network.backbone, { threads }));
const tensor = (data: Float32Array, dims: readonly number[]): Tensor => ({ dtype: "float32", dims, data });
const feeds = {
  [image]: tensor(input, [batch, ...network.inputShape]),
  [alphaName]: tensor(alpha, [batch]),
  target: tensor(target, [batch, network.backbone.width]),
};
const moments = { first: new Float32Array(theta.length), second: new Float32Array(theta.length) };
let step = 0;

async function trainStep(): Promise<{ loss: number; gradient: Float32Array }> {
  const results = await session.run({ ...feeds, theta: tensor(theta, [theta.length]) });
  const gradient = floatsOf(results, "grad_theta");
  step++;
  adamw(theta, gradient, moments, step, {
    rate: recipe.rate,
    weightDecay: recipe.weightDecay,
    gradientScale: clipFactor(l2Norm(gradient), recipe.clip),
  });
  return { loss: floatsOf(results, loss)[0] as number, gradient };
}

const say = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};
const first = await trainStep();
await writeFile(join(folder, "ours.f32"), first.gradient);
say({ loss: first.loss, startup: (performance.now() - started) / 1000 });

for await (const line of createInterface(process.stdin)) {
  const steps = Number(line);
  if (steps === 0) break;
  const begin = performance.now();
  let last = 0;
  for (let i = 0; i < steps; i++) last = (await trainStep()).loss;
  say({ seconds: (performance.now() - begin) / 1000 / steps, loss: last });
}
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
say({ peak: Number(peak) * 1024 });
process.exit(0);
