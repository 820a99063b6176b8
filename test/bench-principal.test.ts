import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { adaptedModel, findSites, loadAdapter } from "petalface/adapters";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "petalface/backbones";
import { openData } from "petalface/data";
import { createTargetCache, type TrainingChoices } from "petalface/training";
import { afterAll, beforeAll, expect, it } from "vitest";
import { fillTargets } from "../bench/faces/kept.ts";
import { principalRun, principalStart, trainPrincipal, wholeAdapter } from "../bench/faces/principal.ts";
import { principal } from "../bench/faces/svd.ts";
import { drawer, relativeError } from "../bench/skeleton/statistics.ts";
import { tinySize, writeTinyBackbone } from "../packages/petalface/test/support/backbone.ts";

const folder = await mkdtemp(join(tmpdir(), "petalface-bench-principal-"));
const model = join(folder, "tiny.onnx");
let backbone: Backbone;
beforeAll(async () => {
  await writeTinyBackbone(model);
  backbone = await openBackbone(model);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const draw = drawer(3);
const pixels = Uint8Array.from({ length: 3 * 3 * tinySize * tinySize }, () => 256 * draw());

async function embed(network: EmbeddingModel): Promise<Float32Array> {
  const embedder = await openEmbedder(network, { batch: 3, threads: 1 });
  const { data } = await embedder.embed(pixels, 3);
  await embedder.close();
  return data.slice();
}

it("finds the largest singular values and vectors", () => {
  // Orthonormal factors of a matrix with known values: two Householder reflections.
  const [rows, columns] = [12, 9];
  const values = [9, 5, 2, 1, 0.5, 0.25, 0, 0, 0];
  const mirror = (size: number) => {
    const v = Array.from({ length: size }, () => draw() - 0.5);
    const length = v.reduce((sum, value) => sum + value * value, 0);
    return (i: number, j: number): number => (i === j ? 1 : 0) - (2 * itemAt(v, i) * itemAt(v, j)) / length;
  };
  const [left, right] = [mirror(rows), mirror(columns)];
  const matrix = Float64Array.from({ length: rows * columns }, (_, at) =>
    values.reduce((sum, value, k) => sum + value * left(Math.floor(at / columns), k) * right(at % columns, k), 0),
  );
  const found = principal(matrix, rows, columns, 4);
  for (const [k, value] of found.values.entries()) expect(value).toBeCloseTo(values[k] ?? Number.NaN, 8);
  for (let k = 0; k < 4; k++) {
    const along = found.left.subarray(k * rows, (k + 1) * rows).reduce((sum, value, i) => sum + value * left(i, k), 0);
    expect(Math.abs(along)).toBeCloseTo(1, 8);
  }
  const product = Array.from({ length: rows * columns }, (_, at) =>
    [0, 1, 2, 3].reduce((sum, k) => {
      const [i, j] = [Math.floor(at / columns), at % columns];
      const [value, a, b] = [
        itemAt(found.values, k),
        itemAt(found.left, k * rows + i),
        itemAt(found.right, k * columns + j),
      ];
      return sum + value * a * b;
    }, 0),
  );
  expect(relativeError(product, matrix)).toBeCloseTo(Math.hypot(0.5, 0.25) / Math.hypot(...values), 6);
});

it("starts as the frozen network, with the principal parts in the adapter", async () => {
  const { backbone: rest, adapter } = await principalStart(
    backbone,
    { rank: 4, sites: "all" },
    join(folder, "rest.onnx"),
  );
  const frozen = await embed(backbone);
  expect(relativeError(await embed(adaptedModel(rest, adapter)), frozen)).toBeLessThan(1e-5);
  expect(relativeError(await embed(rest), frozen)).toBeGreaterThan(0.1);
  const moved = { ...adapter, theta: adapter.theta.map((value) => value + 0.1 * (draw() - 0.5)) };
  const whole = wholeAdapter(backbone, adapter, moved);
  const trained = await embed(adaptedModel(rest, moved));
  expect(relativeError(await embed(adaptedModel(backbone, whole)), trained)).toBeLessThan(1e-5);
  expect(relativeError(trained, frozen)).toBeGreaterThan(1e-3);
});

it("trains towards the whole network's targets", async () => {
  const data = await openData("synthetic:people=6,images=1,seed=5");
  const targetCache = createTargetCache(data.length, backbone.width);
  await fillTargets(targetCache, backbone, data, 1);
  expect(targetCache.known.every((value) => value === 1)).toBe(true);
  const options: TrainingChoices = {
    ...{ gate: "single", sites: "all", rank: 4, batch: 4, epochs: 4, seed: 0, quality: "sharpness" },
    // Sharp faces alone: their targets are what the network starts with.
    ...{ loss: "distil", sharpShare: 1, flip: true, learningRate: 1e-6, lrPixels: [6] },
  };
  const out = join(folder, "run");
  const losses: number[] = [];
  const context = { data, threads: 1, targetCache, onStep: ({ loss }: { loss: number }) => losses.push(loss) };
  const trained = await trainPrincipal({ backbone, data, options, out, context, isBegun: false });
  expect(trained).toBe(
    findSites(backbone.graph).sites.reduce(
      (sum, { inputs, outputs, kernel: [h, w] }) => sum + 4 * (inputs * h * w + outputs),
      0,
    ),
  );
  for (const loss of losses) expect(loss).toBeLessThan(1e-3);
  const adapter = await loadAdapter(out, backbone);
  expect(adapter.config.rank).toBe(8);
  expect(relativeError(await embed(adaptedModel(backbone, adapter)), await embed(backbone))).toBeLessThan(1e-2);
  await trainPrincipal({ backbone, data, options, out, context, isBegun: true });
  expect(
    (await loadAdapter(principalRun(out), await openBackbone(join(`${out}-principal`, "rest.onnx")))).config.rank,
  ).toBe(4);
});
