import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type Graph, itemAt, readTensor } from "onnx-grad";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Adapter,
  adaptedModel,
  exportedGraph,
  exportLevels,
  findSites,
  initialTheta,
  inPrecision,
  layoutOf,
  mergeAdapter,
  openLevels,
  saveAdapter,
  selectSites,
} from "../../src/adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { petalface } from "../cli/process.ts";
import { tinySize, writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const count = 12;
const folder = temporaryFolder("petalface-deploy-");
let backbone: Backbone;
let adapter: Adapter;
let planes: Uint8Array;

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  backbone = await openBackbone(join(folder, "tiny.onnx"));
  const config = {
    ...({ method: "lora", gate: "low", rank: 4, scale: 1 } as const),
    sites: selectSites(findSites(backbone.graph).sites).map((site) => site.name),
    backbone: { name: "tiny", sha256: backbone.spec.sha256 },
    calibration: { measure: "sharpness", low: 5, high: 9 },
  };
  const draw = random("deployed", 1);
  const theta = (await initialTheta(backbone, layoutOf(backbone, config), 1)).map((v) => v + 0.1 * draw.normal());
  adapter = { config, theta };
  await saveAdapter(join(folder, "adapter"), backbone, adapter);
  // Noise of growing contrast: alpha from 0 to 1.
  const face = 3 * tinySize ** 2;
  planes = Uint8Array.from({ length: count * face }, (_, i) => {
    const contrast = Math.min(120, 1.5 * 1.6 ** Math.floor(i / face));
    return Math.round(128 + contrast * (2 * draw.uniform() - 1));
  });
});

async function embed(model: EmbeddingModel) {
  const embedder = await openEmbedder(model, { threads: 1, batch: count });
  const { data, alpha } = await embedder.embed(planes, count);
  await embedder.close();
  return { data: data.slice(), alpha: alpha?.slice() ?? new Float32Array() };
}

const rowsOf = (data: Float32Array): Float32Array[] =>
  Array.from({ length: count }, (_, i) => data.slice(i * backbone.width, (i + 1) * backbone.width));

it("merging leaves no number that only slows products down", async () => {
  const { slots } = layoutOf(backbone, adapter.config);
  const dead = slots.filter((slot) => slot.name.endsWith(".lora_B.weight"));
  // What an optimiser leaves in a channel without gradients: far below all others, but not zero.
  const theta = adapter.theta.slice();
  for (const slot of dead) for (let r = 0; r < 4; r++) theta[slot.offset + r] = 1e-25;
  const { graph } = backbone;
  const constants = new Map(graph.constants);
  for (const { of } of dead) {
    const site = findSites(graph).sites.find(({ name }) => name === of) ?? expect.fail();
    const constant = constants.get(site.weight) ?? expect.fail();
    const data = Float32Array.from(readTensor(constant).data as Float32Array);
    const columns = data.length / site.outputs;
    for (let column = 0; column < columns; column++) data[site.outFirst ? column : column * site.outputs] = 0;
    constants.set(site.weight, { dtype: "float32", dims: constant.dims, data });
  }
  const pruned = { ...backbone, graph: { ...graph, constants } };
  const merged = await mergeAdapter(pruned, { ...adapter, theta }, 0.5);
  const zeros = { ...adapter, theta: theta.map((value) => (value === Math.fround(1e-25) ? 0 : value)) };
  const wanted = await mergeAdapter(pruned, zeros, 0.5);
  // Adding zero makes -0 and 0 alike.
  const numbers = ({ constants }: Graph): [string, number[]][] =>
    [...constants].map(([name, constant]) => [name, [...readTensor(constant).data].map((value) => Number(value) + 0)]);
  expect(numbers(merged)).toEqual(numbers(wanted));
});

describe("levels", () => {
  it("serve each face by the merged network nearest to its alpha, sharp ones as frozen", async () => {
    const place = join(folder, "levels");
    const { levels } = await exportLevels(place, backbone, adapter, 9);
    expect(levels.map(({ alpha }) => alpha)).toEqual([0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1]);
    expect((await readdir(place)).filter((name) => name.endsWith(".onnx"))).toHaveLength(10);
    const served = await openLevels(place, backbone, { threads: 1 });
    const { data, alpha = new Float32Array() } = await served.embed(planes, count);
    await served.close();
    const [judged, frozen] = [await embed(adaptedModel(backbone, adapter)), await embed(backbone)];
    expect(new Set(alpha).size).toBeGreaterThan(3);
    for (let face = 0; face < count; face++) {
      const [level, exact] = [itemAt(alpha, face), itemAt(judged.alpha, face)];
      expect(Math.abs(level - exact)).toBeLessThanOrEqual(1 / 16 + 1e-6);
      const gated = await embed(adaptedModel(backbone, adapter, level));
      const [got, want] = [rowsOf(data)[face], rowsOf(gated.data)[face]];
      got.forEach((value, i) => {
        expect(value).toBeCloseTo(itemAt(want, i), 4);
      });
      if (level === 1) expect(got).toEqual(rowsOf(frozen.data)[face]);
    }
  });

  it("are refused where alpha is not in [0, 1]", async () => {
    const calibration = { kind: "paper", measure: "sharpness", threshold: 5 } as const;
    const paper = { ...adapter, config: { ...adapter.config, calibration } };
    await expect(exportLevels(join(folder, "none"), backbone, paper, 3)).rejects.toThrow("no levels");
  });
});

describe("precisions", () => {
  async function* examples() {
    yield { planes, count };
  }

  it.each(["fp16", "int8", "int8-dynamic"] as const)(
    "%s keeps alpha, and the closed gate closed",
    async (precision) => {
      const graph = await exportedGraph(backbone, adapter, "quality");
      const changed = await inPrecision(backbone, graph, precision, examples(), { threads: 1 });
      const [output = "", alpha = ""] = changed.outputs;
      const before = await embed(adaptedModel(backbone, adapter));
      const after = await embed({ ...backbone, graph: changed, output, alpha });
      expect(after.alpha).toEqual(before.alpha);
      const [a, b] = [before.data, after.data];
      const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * itemAt(y, i), 0);
      expect(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))).toBeGreaterThan(precision === "fp16" ? 0.9999 : 0.97);
      expect(a).not.toEqual(b);
      // Where the gate is closed another adapter makes no difference, whatever the precision.
      const other = { ...adapter, theta: adapter.theta.map((value) => -2 * value) };
      const second = await inPrecision(
        backbone,
        await exportedGraph(backbone, other, "quality"),
        precision,
        examples(),
        {
          threads: 1,
        },
      );
      const third = await embed({
        ...backbone,
        graph: second,
        output: itemAt(second.outputs, 0),
        alpha: itemAt(second.outputs, 1),
      });
      if (precision === "fp16")
        for (let face = 0; face < count; face++)
          if (before.alpha[face] === 1) expect(rowsOf(third.data)[face]).toEqual(rowsOf(after.data)[face]);
    },
  );
});

describe("petalface export", () => {
  const common = (): string[] => [
    ...["export", "--model", join(folder, "tiny.onnx"), "--adapter", join(folder, "adapter")],
    ...["--data", "synthetic:people=8,images=3,seed=2", "--protocol", "drawn:pairs=20,folds=2", "--threads", "1"],
  ];

  it("prints what a precision costs, and refuses one that costs too much without writing anything", async () => {
    const out = join(folder, "half.onnx");
    const { code, stdout, stderr } = await petalface([...common(), "--out", out, "--precision", "fp16"]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/fp16 against float32, on 48 faces: cosine of embeddings (?:0\.99|1\.0)\d+ in the mean/);
    expect(stdout).toMatch(/accuracy as given: [\d.]+ -> [\d.]+ %/);
    const refused = join(folder, "refused.onnx");
    expect(
      await petalface([...common(), "--out", refused, "--precision", "int8", "--least-cosine", "0.9999999"]),
    ).toMatchObject({ code: 1, stderr: expect.stringContaining("nothing was written") });
    expect(await readdir(folder)).not.toContain("refused.onnx");
  });

  it("writes levels", async () => {
    const out = join(folder, "cli-levels");
    const { code, stdout, stderr } = await petalface([...common(), "--out", out, "--levels", "3", "--json"]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ levels: [{ alpha: 0 }, { alpha: 0.5 }, { alpha: 1 }] });
    expect(await petalface([...common(), "--out", out, "--levels", "3", "--alpha", "0.5"])).toMatchObject({ code: 2 });
  });
});
