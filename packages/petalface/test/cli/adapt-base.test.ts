import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Constant, float32, sizeOf, writeModel } from "onnx-grad";
import { expect, test } from "vitest";
import { buildNetwork, fillNetwork, parseArchitecture } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-base-");

const adaptOn = (model: string, out: string, base: string): string[] => [
  ...["adapt", "--model", model, "--normalize", "127.5,0.0078125", "--train", "synthetic:people=4,images=4"],
  ...["--out", out, "--base", base, "--batch", "8", "--epochs", "1", "--rank", "4", "--quality", "sharpness"],
  ...["--lr-pixels", "4,6", "--threads", "1", "--quiet"],
];

/** A transformer of one layer with drawn weights, 256 features. */
async function writeTransformer(path: string): Promise<void> {
  const network = buildNetwork(parseArchitecture("vit:image=112,patch=28,dim=256,depth=1,heads=4").architecture);
  const draw = random("base");
  const weights = (tensor: string): Constant => {
    const dims = network.tensors.get(tensor) ?? [];
    const isNorm = dims.length === 1 && /(weight|var)$/.test(tensor);
    const spread = dims.length > 1 ? Math.sqrt(3 / sizeOf(dims.slice(1))) : 0.05;
    const number = (): number => (isNorm ? 1 : 0) + spread * (2 * draw.uniform() - 1);
    return float32(Float32Array.from({ length: sizeOf(dims) }, number), dims);
  };
  await writeModel(fillNetwork(network, weights), path);
}

test("a transformer trains with 8-bit frozen weights almost as with its own", async () => {
  const model = join(folder, "vit.onnx");
  await writeTransformer(model);
  const losses: number[] = [];
  for (const base of ["float32", "int8"]) {
    const run = join(folder, base);
    const { code, stderr } = await petalface(adaptOn(model, run, base));
    expect(code, stderr).toBe(0);
    const [first = ""] = (await readFile(join(run, "metrics.jsonl"), "utf8")).split("\n");
    losses.push((JSON.parse(first) as { loss: number }).loss);
    expect(JSON.parse(await readFile(join(run, "run.json"), "utf8")).options.base).toBe(base);
  }
  const [exact = 0, rounded = 0] = losses;
  expect(rounded).not.toBe(exact);
  expect(Math.abs(rounded / exact - 1)).toBeLessThan(0.1);
});

test("a network without large products is refused in one line", async () => {
  const model = join(folder, "tiny.onnx");
  await writeTinyBackbone(model);
  const { code, stderr } = await petalface(adaptOn(model, join(folder, "refused"), "int8"));
  expect(code).toBe(1);
  expect(stderr).toMatch(/^petalface: graph ".*" has no product with constant weights of 256 x 256 or more: [^\n]*\n$/);
});
