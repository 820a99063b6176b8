import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type AdapterConfig,
  adaptedModel,
  findSites,
  initialTheta,
  layoutOf,
  loadAdapter,
  saveAdapter,
  selectSites,
} from "../../src/adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { openData } from "../../src/data/index.ts";
import { openLoader } from "../../src/images/index.ts";
import {
  alphaOf,
  calibrate,
  type LinearCalibration,
  measureOf,
  openMeasure,
  qualityGraph,
  quantile,
} from "../../src/quality/index.ts";
import { plainModel } from "../../src/quality/plain-model.ts";
import { random } from "../../src/random.ts";
import { temporaryFolder } from "../support/folder.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const weights = (name: string): string => resolve(shared, "weights", name);
const count = 16;

const folder = temporaryFolder("petalface-quality-");

const specs = [
  "sharpness",
  "resolution",
  "norm",
  `brisque:model=${weights("brisque_model_live.yml")},range=${weights("brisque_range_live.yml")}`,
  `cnniqa:model=${weights("CNNIQA-LIVE.pth")}`,
];

describe.skipIf(!existsSync(shared))("measures on real faces (needs PETALFACE_SHARED)", () => {
  let backbone: Backbone;
  const planes = new Map<number, Uint8Array>();
  const frozen = new Map<number, Float32Array>();
  const sizes = [112, 16];

  beforeAll(async () => {
    backbone = await openBackbone(weights("mobilefacenet.onnx"));
    const data = await openData(resolve(shared, "data/lfw112"));
    await using loader = openLoader({ size: backbone.size, threads: 1 });
    for (const pixels of sizes)
      planes.set(
        pixels,
        await loader.load(
          Array.from({ length: count }, (_, i) => ({
            source: data.at(800 * i).source,
            flip: false,
            degrade: pixels === 112 ? undefined : ({ kind: "lr", pixels } as const),
          })),
        ),
      );
    for (const pixels of sizes) frozen.set(pixels, (await run(backbone, pixels)).data);
  });

  async function run(model: EmbeddingModel, pixels: number) {
    const embedder = await openEmbedder(model, { threads: 1, batch: count });
    const result = await embedder.embed(planes.get(pixels) as Uint8Array, count);
    await embedder.close();
    return { data: result.data.slice(), alpha: result.alpha?.slice() ?? new Float32Array() };
  }

  it.each(specs)("%s travels with the adapter, and alpha = 1 keeps the frozen embedding bit for bit", async (spec) => {
    const measure = await openMeasure(spec);
    const { graph, score } = qualityGraph(backbone, measure);
    const scores = async (pixels: number) => (await run({ ...backbone, graph, output: score, width: 1 }, pixels)).data;
    const calibration = calibrate(measure, await scores(112), await scores(16));
    const config: AdapterConfig = {
      method: "lora",
      gate: "low",
      rank: 4,
      scale: 1,
      calibration,
      sites: selectSites(findSites(backbone.graph).sites).map((site) => site.name),
      backbone: { name: "mobilefacenet", sha256: backbone.spec.sha256 },
      ...(measure.weights && { weights: measure.weights }),
    };
    const stream = random("trained", 1);
    const theta = (await initialTheta(backbone, layoutOf(backbone, config), 1)).map(
      (value) => value + 0.03 * stream.normal(),
    );
    const place = join(folder, measure.name);
    await saveAdapter(place, backbone, { config, theta });
    // From here on only the folder counts, as after copying it to another machine.
    const adapted = adaptedModel(backbone, await loadAdapter(place, backbone));
    for (const pixels of sizes) {
      const [before, after, judged] = [frozen.get(pixels), await run(adapted, pixels), await scores(pixels)];
      if (before === undefined) throw new Error("no frozen embeddings");
      const { width } = backbone;
      for (let face = 0; face < count; face++) {
        const alpha = after.alpha[face];
        expect(alpha).toBeCloseTo(alphaOf(calibration, judged[face]), 5);
        const row = (values: Float32Array): Float32Array => values.slice(face * width, (face + 1) * width);
        if (alpha === 1) expect(row(after.data)).toEqual(row(before));
        else expect(row(after.data)).not.toEqual(row(before));
      }
      const closed = after.alpha.filter((alpha) => alpha === 1).length;
      if (pixels === 112) expect(closed).toBeGreaterThan(count * 0.7);
      if (pixels === 16) expect(closed).toBe(0);
    }
  });

  it("resolution finds how many pixels a face had, whatever the size of the network's input", async () => {
    const data = await openData(resolve(shared, "data/lfw112"));
    for (const size of [112, 128]) {
      const model = plainModel(size);
      const { graph, score } = qualityGraph(model, measureOf("resolution"));
      const embedder = await openEmbedder({ ...model, graph, output: score, width: 1 }, { threads: 1, batch: count });
      await using loader = openLoader({ size, threads: 1 });
      let last = 0;
      for (const pixels of [8, 12, 16, 24, 32, 48]) {
        const faces = Array.from({ length: count }, (_, i) => ({
          source: data.at(700 * i).source,
          flip: false,
          degrade: { kind: "lr", pixels } as const,
        }));
        const { data: found } = await embedder.embed(await loader.load(faces), count);
        const median = quantile(found, 0.5);
        expect(Math.abs(median / pixels - 1)).toBeLessThan(0.2);
        expect(median).toBeGreaterThan(last);
        last = median;
      }
      await embedder.close();
    }
  });

  it("refuses an adapter whose quality weights were changed or lost", async () => {
    const place = join(folder, "brisque");
    await writeFile(join(place, "quality_model.safetensors"), Buffer.alloc(0));
    await expect(loadAdapter(place, backbone)).rejects.toThrow("quality_model.safetensors");
  });
});

describe("openMeasure", () => {
  it.each([
    ["beauty", "there is no quality measure"],
    ["brisque", "needs its weights"],
    ["brisque:model=a.yml", "write brisque:model="],
    ["brisque:model=a.yml,range=", "write brisque:model="],
    ["cnniqa:model=nowhere.pth", "nowhere.pth"],
    ["brisque:model=nowhere.yml,range=nowhere.yml", "there is no nowhere.yml"],
    ["constant:high", "write constant:SCORE"],
  ])("refuses %s", async (spec, message) => {
    await expect(openMeasure(spec)).rejects.toThrow(message);
  });

  it.skipIf(!existsSync(shared))(
    "refuses a model that is cut short or something else (needs PETALFACE_SHARED)",
    async () => {
      const text = await (await import("node:fs/promises")).readFile(weights("brisque_model_live.yml"), "utf8");
      const range = weights("brisque_range_live.yml");
      for (const [name, content, message] of [
        ["half", text.slice(0, text.length / 2), "rho"],
        ["tail", text.slice(0, -2000), "cut short"],
        ["other", "%YAML:1.0\n---\nmatrix: [1, 2]\n", "holds no support vector machine"],
        ["words", text.replace("-5.97555935e-01", "none"), "not a number"],
      ] as const) {
        const path = join(folder, `${name}.yml`);
        await writeFile(path, content);
        await expect(openMeasure(`brisque:model=${path},range=${range}`)).rejects.toThrow(message);
      }
      await expect(openMeasure(`brisque:model=${weights("brisque_model_live.yml")},range=${range}x`)).rejects.toThrow(
        "there is no",
      );
    },
  );

  it("constant gives every face its score", async () => {
    const model = plainModel(16);
    const calibration: LinearCalibration = { measure: "constant:0.25", low: 0, high: 1 };
    const { graph, score, alpha } = qualityGraph(model, await openMeasure("constant:0.25"), calibration);
    const embedder = await openEmbedder({ ...model, graph, output: score, width: 1, ...(alpha && { alpha }) });
    const result = await embedder.embed(new Uint8Array(3 * 3 * 256).fill(7), 3);
    expect([...result.data, ...(result.alpha ?? [])]).toEqual(Array(6).fill(0.25));
    await embedder.close();
  });
});
