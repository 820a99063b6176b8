/** One exported file under three runtimes: `npm run bench -- export --run RUN --python PATH` compares them with the training side on 1,000 faces. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { InferenceSession as NodeSession, Tensor as NodeTensor } from "onnxruntime-node";
import { env, InferenceSession as WebSession, Tensor as WebTensor } from "onnxruntime-web";
import {
  adaptedModel,
  exportLevels,
  exportModel,
  loadAdapter,
  openBackbone,
  openData,
  openEmbedder,
  openLevels,
  openLoader,
  toInput,
} from "petalface";
import { shared } from "../faces/plan.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: join(shared, "weights/mobilefacenet.onnx") },
    run: { type: "string" },
    faces: { type: "string", default: "1000" },
    python: { type: "string" },
    levels: { type: "string", default: "9" },
    out: { type: "string", default: join(import.meta.dirname, "../results/export.md") },
  },
});
if (values.run === undefined) throw new Error("--run RUN: a run of petalface adapt, or its adapter folder");

const folder = await mkdtemp(join(tmpdir(), "petalface-export-"));
const backbone = await openBackbone(values.model);
const adapter = await loadAdapter(values.run, backbone);
const count = Number(values.faces);
const data = await openData(join(shared, "data/lfw112"));
const loader = openLoader({ size: backbone.size, threads: 1 });
const face = 3 * backbone.size ** 2;
const batch = 25;

/** A third of the faces as they are, the others at 16 and 24 px. */
const requests = Array.from({ length: count }, (_, i) => ({
  source: data.at(Math.floor((i * data.length) / count)).source,
  flip: false,
  degrade: i % 3 === 0 ? undefined : ({ kind: "lr", pixels: i % 3 === 1 ? 16 : 24 } as const),
}));
const planes = await loader.load(requests);
await loader.close();
const inputOf = (start: number): Float32Array =>
  toInput(planes.subarray(start * face), batch, batch, backbone.size, backbone.spec).data as Float32Array;

type Run = (input: Float32Array) => Promise<{ embedding: Float32Array; alpha: Float32Array }>;

async function all(run: Run) {
  const embedding = new Float32Array(count * backbone.width);
  const alpha = new Float32Array(count);
  const started = performance.now();
  for (let start = 0; start < count; start += batch) {
    const part = await run(inputOf(start));
    embedding.set(part.embedding, start * backbone.width);
    alpha.set(part.alpha, start);
  }
  return { embedding, alpha, rate: (1000 * count) / (performance.now() - started) };
}

/** Largest difference, embeddings relative to the largest number of theirs. */
function difference(a: Float32Array, b: Float32Array): number {
  let [most, scale] = [0, 0];
  a.forEach((value, i) => {
    most = Math.max(most, Math.abs(value - (b[i] as number)));
    scale = Math.max(scale, Math.abs(value));
  });
  return most / scale;
}

const file = join(folder, "face.onnx");
await exportModel(file, backbone, adapter, "quality");
const embedder = await openEmbedder(adaptedModel(backbone, adapter), { threads: 1, batch });
const started = performance.now();
const truth = { embedding: new Float32Array(count * backbone.width), alpha: new Float32Array(count) };
for (let start = 0; start < count; start += batch) {
  const { data: part, alpha } = await embedder.embed(planes.subarray(start * face), batch);
  truth.embedding.set(part, start * backbone.width);
  truth.alpha.set(alpha ?? [], start);
}
const training = (1000 * count) / (performance.now() - started);
await embedder.close();

const rows = [`| training side, onnxruntime-node | ${training.toFixed(0)} | | |`];
const dims = [batch, 3, backbone.size, backbone.size];
const add = (name: string, got: { embedding: Float32Array; alpha: Float32Array; rate: number }): void => {
  rows.push(
    `| ${name} | ${got.rate.toFixed(0)} | ${difference(truth.embedding, got.embedding).toExponential(1)} | ${difference(truth.alpha, got.alpha).toExponential(1)} |`,
  );
};

const node = await NodeSession.create(file, { intraOpNumThreads: 1 });
add(
  "onnxruntime-node, the file",
  await all(async (input) => {
    const results = await node.run({ [backbone.input]: new NodeTensor("float32", input, dims) });
    const [embedding = "", alpha = ""] = node.outputNames;
    return { embedding: results[embedding]?.data as Float32Array, alpha: results[alpha]?.data as Float32Array };
  }),
);
env.wasm.numThreads = 1;
const web = await WebSession.create(await readFile(file), { executionProviders: ["wasm"] });
add(
  "onnxruntime-web (wasm), the file",
  await all(async (input) => {
    const results = await web.run({ [backbone.input]: new WebTensor("float32", input, dims) });
    const [embedding = "", alpha = ""] = web.outputNames;
    return { embedding: results[embedding]?.data as Float32Array, alpha: results[alpha]?.data as Float32Array };
  }),
);
if (values.python !== undefined) {
  const inputs = new Float32Array(count * face);
  for (let start = 0; start < count; start += batch) inputs.set(inputOf(start), start * face);
  await writeFile(join(folder, "input.bin"), new Uint8Array(inputs.buffer));
  const program = `
import numpy as np, onnxruntime as ort, sys, time
folder, size, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x = np.fromfile(folder + "/input.bin", np.float32).reshape(-1, 3, size, size)
options = ort.SessionOptions(); options.intra_op_num_threads = 1
session = ort.InferenceSession(folder + "/face.onnx", options, providers=["CPUExecutionProvider"])
begin = time.perf_counter()
parts = [session.run(None, {session.get_inputs()[0].name: x[i:i + batch]}) for i in range(0, len(x), batch)]
rate = len(x) / (time.perf_counter() - begin)
np.concatenate([p[0] for p in parts]).astype(np.float32).tofile(folder + "/embedding.bin")
np.concatenate([p[1] for p in parts]).astype(np.float32).tofile(folder + "/alpha.bin")
print(ort.__version__, rate)`;
  const [version = "", rate = ""] = execFileSync(
    values.python,
    ["-c", program, folder, String(backbone.size), String(batch)],
    { encoding: "utf8" },
  ).split(" ");
  const read = async (name: string): Promise<Float32Array> => {
    const bytes = await readFile(join(folder, name));
    return new Float32Array(new Uint8Array(bytes).buffer);
  };
  add(`Python onnxruntime ${version}, the file`, {
    embedding: await read("embedding.bin"),
    alpha: await read("alpha.bin"),
    rate: Number(rate),
  });
}

const levels = join(folder, "levels");
await exportLevels(levels, backbone, adapter, Number(values.levels));
const served = await openLevels(levels, backbone, { threads: 1, batch });
const begin = performance.now();
const byLevel = new Float32Array(count * backbone.width);
for (let start = 0; start < count; start += batch)
  byLevel.set((await served.embed(planes.subarray(start * face), batch)).data, start * backbone.width);
const levelRate = (1000 * count) / (performance.now() - begin);
await served.close();
const frozen = await openEmbedder(backbone, { threads: 1, batch });
const again = performance.now();
for (let start = 0; start < count; start += batch) await frozen.embed(planes.subarray(start * face), batch);
const frozenRate = (1000 * count) / (performance.now() - again);
await frozen.close();
const cosines = Array.from({ length: count }, (_, i) => {
  const row = (values: Float32Array) => values.subarray(i * backbone.width, (i + 1) * backbone.width);
  const [a, b] = [row(truth.embedding), row(byLevel)];
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, k) => sum + value * (y[k] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
});
const text = `# The exported file under three runtimes

    npm run bench -- export --run RUN --faces ${count}${values.python ? " --python PYTHON" : ""}

${count} LFW faces, a third as they are, a third at 16 px, a third at 24 px; MobileFaceNet, ${adapter.config.calibration.measure} for quality; one thread, batches of ${batch}. Differences
are the largest of any number, over the largest number.

| runtime | faces/s | embedding | alpha |
| --- | --- | --- | --- |
${rows.join("\n")}

## Levels

| form | faces/s | cosine with the gated form, mean | least |
| --- | --- | --- | --- |
| frozen | ${frozenRate.toFixed(0)} | | |
| gated | ${training.toFixed(0)} | 1 | 1 |
| ${values.levels} levels, quality included | ${levelRate.toFixed(0)} | ${(cosines.reduce((sum, value) => sum + value, 0) / count).toFixed(6)} | ${Math.min(...cosines).toFixed(5)} |
`;
await writeFile(values.out, text);
await rm(folder, { recursive: true, force: true });
console.log(text);
process.exit(0);
