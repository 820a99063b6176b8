import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Adapter,
  type AdapterConfig,
  adaptedModel,
  adapterHash,
  combineAdapters,
  exportedGraph,
  findSites,
  layoutOf,
  loadAdapter,
  saveAdapter,
  savePeft,
} from "../../src/adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { type FaceData, openData } from "../../src/data/index.ts";
import { centreAdapter, embedFaces } from "../../src/embeddings/index.ts";
import { type Loader, openLoader } from "../../src/images/index.ts";
import { random } from "../../src/random.ts";
import { tinySize, tinyWidth, writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-centre-");
let backbone: Backbone;
let crops: FaceData;
let loader: Loader;

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  backbone = await openBackbone(join(folder, "tiny.onnx"));
  crops = await openData("synthetic:people=30,images=1,seed=3");
  loader = openLoader({ size: tinySize, threads: 1, cacheBytes: 2 ** 20 });
});
afterAll(async () => {
  await loader.close();
});

/** An adapter of drawn weights; the sharpness of faces decides alpha. */
function drawn(choices: Partial<AdapterConfig> = {}): Adapter {
  const config: AdapterConfig = {
    method: "lora",
    gate: "low",
    rank: 4,
    scale: 0.5,
    sites: findSites(backbone.graph).sites.map(({ name }) => name),
    backbone: { name: "tiny", sha256: backbone.spec.sha256 },
    calibration: { measure: "sharpness", low: 6, high: 7 },
    ...choices,
  };
  const stream = random("centre");
  const { length } = layoutOf(backbone, config);
  return { config, theta: Float32Array.from({ length }, () => 0.1 * stream.normal()) };
}

/** Embeddings of the crops, and their alpha. */
async function embed(model: EmbeddingModel) {
  const embedder = await openEmbedder(model, { threads: 1 });
  const [rows, alphas]: [number[], number[]] = [[], []];
  const request = (at: number) => ({ source: crops.at(at).source, flip: false, face: at });
  for await (const { data, alpha } of embedFaces(crops.length, request, { embedder, loader })) {
    rows.push(...data);
    alphas.push(...(alpha ?? []));
  }
  await embedder.close();
  return { rows, alphas };
}

/** Alpha 0 for all faces, so that their mean is the shift. */
const alwaysLow = { calibration: { measure: "sharpness", low: 90, high: 91 } } as const;

describe("centring", () => {
  it("makes the mean embedding of crops of alpha 0 zero, also a second time", async () => {
    const adapter = drawn(alwaysLow);
    const { rows } = await embed(adaptedModel(backbone, adapter));
    const mean = Array.from({ length: tinyWidth }, (_, at) =>
      rows.reduce((sum, value, i) => sum + (i % tinyWidth === at ? value / crops.length : 0), 0),
    );
    const found = await centreAdapter(backbone, adapter, crops, { session: { threads: 1 } });
    expect(found).toMatchObject({ crops: 30, low: 30 });
    expect(found.shift).toBeGreaterThan(0.05);
    found.adapter.config.centre?.forEach((value, at) => {
      expect(value).toBeCloseTo(-(mean[at] ?? 0), 5);
    });
    const after = await embed(adaptedModel(backbone, found.adapter));
    for (let at = 0; at < tinyWidth; at++)
      expect(after.rows.reduce((sum, value, i) => sum + (i % tinyWidth === at ? value : 0), 0)).toBeCloseTo(0, 3);
    const again = await centreAdapter(backbone, found.adapter, crops, { session: { threads: 1 } });
    expect(again.adapter.config.centre).toEqual(found.adapter.config.centre);
  });

  it("keeps the embeddings of faces with alpha 1, and moves the others by 1 - alpha, in every form", async () => {
    const stream = random("shift");
    const centre = Float32Array.from({ length: tinyWidth }, () => stream.normal());
    // A range in the middle of the faces' scores: some are at 1, some at 0, some between.
    const low = { ...drawn().config, calibration: await middle() };
    const plain: Adapter = { ...drawn(), config: low };
    const moved: Adapter = { ...plain, config: { ...low, centre } };
    const [before, after] = [await embed(adaptedModel(backbone, plain)), await embed(adaptedModel(backbone, moved))];
    const kinds = new Set(after.alphas.map((alpha) => (alpha === 1 ? "sharp" : alpha === 0 ? "low" : "between")));
    expect(kinds).toEqual(new Set(["sharp", "low", "between"]));
    after.rows.forEach((value, i) => {
      const alpha = after.alphas[Math.floor(i / tinyWidth)] ?? Number.NaN;
      const old = before.rows[i] ?? Number.NaN;
      if (alpha === 1) expect(value).toBe(old);
      else expect(value).toBeCloseTo(old + (1 - alpha) * (centre[i % tinyWidth] ?? 0), 5);
    });
    const exported = await exportedGraph(backbone, moved, "quality");
    const { rows } = await embed({ ...adaptedModel(backbone, moved), graph: exported });
    expect(rows).toEqual(after.rows);
    // Levels and products are made of these.
    for (const alpha of [0, 0.25, 1]) {
      const merged = await embed({ ...backbone, graph: await exportedGraph(backbone, moved, alpha) });
      const fixed = await embed(adaptedModel(backbone, moved, alpha));
      merged.rows.forEach((value, i) => {
        expect(value).toBeCloseTo(fixed.rows[i] ?? Number.NaN, 4);
      });
      if (alpha === 1) expect(merged.rows).toEqual((await embed(backbone)).rows);
    }
  });

  it("is saved with the adapter and part of its hash", async () => {
    const { adapter } = await centreAdapter(backbone, drawn(alwaysLow), crops, { session: { threads: 1 } });
    const place = join(folder, "saved");
    await saveAdapter(place, backbone, adapter);
    const loaded = await loadAdapter(place, backbone);
    expect(loaded.config.centre).toEqual(adapter.config.centre);
    const { centre: _, ...plain } = adapter.config;
    expect(adapterHash(loaded)).not.toBe(adapterHash({ ...adapter, config: plain }));
  });

  it("is refused where sharp faces would move, for too few low-resolution crops, and where a form has no place", async () => {
    await expect(centreAdapter(backbone, drawn({ gate: "twin" }), crops)).rejects.toThrow(/'gate=low' or 'gate=hat'/);
    const sharp = drawn({ calibration: { measure: "sharpness", low: -9, high: -8 } });
    await expect(centreAdapter(backbone, sharp, crops, { session: { threads: 1 } })).rejects.toThrow(
      /0 of 30 crops have alpha below 1.*at least 20/,
    );
    const { adapter } = await centreAdapter(backbone, drawn(alwaysLow), crops, { session: { threads: 1 } });
    await expect(savePeft(join(folder, "peft"), backbone, adapter)).rejects.toThrow("PEFT has no place");
    const summands = ["a", "b"].map((name) => ({ name, adapter, weight: 1 }));
    expect(() => combineAdapters(backbone, summands)).toThrow(/a is centred; add the adapters from before/);
  });
});

/** A range of sharpness with faces on all sides of it. */
async function middle(): Promise<AdapterConfig["calibration"]> {
  const wide = drawn({ calibration: { measure: "sharpness", low: -20, high: 20 } });
  const { alphas } = await embed(adaptedModel(backbone, wide));
  const scores = alphas.map((alpha) => 40 * alpha - 20).sort((a, b) => a - b);
  return { measure: "sharpness", low: scores[9] ?? 0, high: scores[20] ?? 0 };
}
