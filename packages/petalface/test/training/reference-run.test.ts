import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Adapter,
  adaptedModel,
  exportedGraph,
  loadAdapter,
  savePeft,
  saveReference,
} from "../../src/adapters/index.ts";
import { presetDifferences } from "../../src/api/inspect/presets.ts";
import { type Backbone, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { printDifferences } from "../../src/cli/commands/inspect/presets.ts";
import { random } from "../../src/random.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { readSafetensors } from "../../src/tensors/index.ts";
import {
  type AdaptContext,
  type AdaptResult,
  adapt,
  readRun,
  resume,
  type TrainingChoices,
} from "../../src/training/index.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { smallSwin, smallVit, writeNetworkFile } from "../support/network-file.ts";

const folder = temporaryFolder("petalface-reference-");
const models = { swin: smallSwin, vit: smallVit } as const;
const modelOf = (name: string): string => join(folder, `${name}.onnx`);

beforeAll(async () => {
  for (const [name, spec] of Object.entries(models)) await writeNetworkFile(modelOf(name), spec);
  await writeTinyBackbone(modelOf("folded"));
});

const small: TrainingChoices = {
  preset: "reference",
  batch: 6,
  accumulate: 2,
  rank: 4,
  epochs: 3,
  quality: "sharpness",
};
const train = "synthetic:people=10,images=2,seed=5";
const start = (
  name: string,
  out: string,
  context: AdaptContext = {},
  more: TrainingChoices = {},
): Promise<AdaptResult> =>
  adapt({ model: modelOf(name), train, options: { ...small, ...more }, out }, { threads: 1, ...context });

/** What a later use depends on, in bits. */
async function bitsOf(run: string): Promise<Record<string, string>> {
  const entries = await readdir(run, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const bits: Record<string, string> = {};
  for (const path of files.sort()) bits[path.slice(run.length)] = (await readFile(path)).toString("base64");
  return bits;
}

/** Embeddings of some noise. */
async function embed(backbone: Backbone, adapter: Adapter | undefined): Promise<Float32Array> {
  const model = adapter === undefined ? backbone : adaptedModel(backbone, adapter, 0.25);
  const embedder = await openEmbedder(model, { threads: 1, batch: 4 });
  const { data } = await embedder.embed(pixels(backbone), 4);
  await embedder.close();
  return data.slice();
}

const pixels = ({ size }: Backbone): Uint8Array => {
  const stream = random("reference run", 1);
  return Uint8Array.from({ length: 4 * 3 * size * size }, () => stream.int(256));
};

const distance = (a: Float32Array, b: Float32Array): number =>
  Math.max(...a.map((value, i) => Math.abs(value - itemAt(b, i)))) / Math.max(...a.map(Math.abs));

describe("the reference preset", () => {
  it("is the released code's training of each family", async () => {
    const [swin, vit] = await Promise.all(["swin", "vit"].map((name) => start(name, join(folder, `${name}-run`))));
    expect(swin?.run.options).toMatchObject({ dropPath: 0.05, featureDropout: 0.25, tokenMasking: 0, loss: "cosface" });
    expect(vit?.run.options).toMatchObject({ dropPath: 0.1, featureDropout: 0, tokenMasking: 0.1, firstStep: "full" });
    const qkv = (blocks: string[]): string[] => blocks.map((block) => `${block}.attn.qkv`);
    expect(swin?.run.adapter).toMatchObject({
      gate: "twin",
      rank: 4,
      batchNorm: "train",
      ungated: ["feature_layer.2"],
    });
    expect(swin?.run.adapter.sites).toEqual([
      ...qkv(["layers.0.blocks.0", "layers.0.blocks.1", "layers.1.blocks.0", "layers.1.blocks.1"]),
      "feature_layer.2",
    ]);
    expect(vit?.run.adapter.sites).toEqual([...qkv(["blocks.0", "blocks.1"]), "feature.0", "feature.2"]);
    expect(vit?.run.adapter.ungated).toEqual(["feature.0", "feature.2"]);
    // 20 images are three whole batches of 6, and the first step has the peak rate.
    expect(swin?.run.steps).toBe(9);
    const rates = (await readFile(join(folder, "swin-run", "metrics.jsonl"), "utf8"))
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { learningRate: number }).learningRate);
    const sixth = 5e-4 / 6;
    [6, 1, 2, 3, 4, 5, 6, 4, 2].forEach((share, step) => {
      expect(rates[step]).toBeCloseTo(share * sixth, 9);
    });
  });

  it("saves the running statistics with the adapter, and everything that embeds uses them", async () => {
    const backbone = await openBackbone(modelOf("swin"));
    const run = join(folder, "swin-run");
    const adapter = await loadAdapter(run, backbone);
    const frozen = { ...adapter, config: { ...adapter.config, batchNorm: undefined }, statistics: undefined };
    const [own, without, base] = await Promise.all([adapter, frozen, undefined].map((each) => embed(backbone, each)));
    expect(distance(own, without)).toBeGreaterThan(1e-3);
    expect(distance(own, base)).toBeGreaterThan(1e-3);
    const merged = await exportedGraph(backbone, adapter, 0.25);
    const session = await openSession(merged, { threads: 1 });
    const { size } = backbone;
    const image = Float32Array.from(pixels(backbone), (value) => (value - 127.5) / 127.5);
    const results = await session.run({
      [backbone.input]: { dtype: "float32", dims: [4, 3, size, size], data: image },
    });
    await session.close();
    expect(distance(own, floatsOf(results, itemAt(merged.outputs, 0)))).toBeLessThan(1e-5);
  });

  it("hands the running statistics back under the released code's names, and not to PEFT", async () => {
    const backbone = await openBackbone(modelOf("swin"));
    const adapter = await loadAdapter(join(folder, "swin-run"), backbone);
    const path = join(folder, "back.safetensors");
    await saveReference(path, backbone, adapter);
    const { tensors } = await readSafetensors(path);
    expect([...tensors.keys()].filter((name) => name.includes("running"))).toEqual([
      ...["feature_layer.0.running_mean", "feature_layer.0.running_var"],
      ...["feature_layer.3.running_mean", "feature_layer.3.running_var"],
    ]);
    const width = tensors.get("feature_layer.0.running_mean")?.shape[0];
    expect(tensors.get("feature_layer.0.running_mean")?.data).toEqual(adapter.statistics?.slice(0, width));
    await expect(savePeft(join(folder, "peft"), backbone, adapter)).rejects.toThrow("no place for running statistics");
  });

  it("says where the presets differ from each other and from a run", async () => {
    const { options, model } = await readRun(join(folder, "vit-run"));
    expect(model.family).toBe("vit");
    const own = presetDifferences(options, model.family);
    expect(own.tokenMasking).toEqual({ run: 0.1, petal: 0, paper: 0, reference: 0.1 });
    expect(own.batch).toEqual({ run: 6, petal: 8, paper: 32, reference: 64 });
    expect(own).not.toHaveProperty("flip");
    const presets = presetDifferences();
    expect(presets.firstStep).toEqual({ petal: "warm", paper: "warm", reference: "full" });
    expect(presets.rank).toEqual({ petal: 32, paper: 16, reference: 16 });
    expect(printDifferences(presets)).toMatch(/^OPTION +PETAL +PAPER +REFERENCE\n/);
    expect(printDifferences(presets)).toMatch(/^ungated +- +- +head$/m);
  });

  it.each(["swin", "vit"])("%s: has the same bits when it is stopped and resumed", async (name) => {
    const out = join(folder, `${name}-stopped`);
    const controller = new AbortController();
    const onStep = ({ step }: { step: number }): void => {
      if (step === 4) controller.abort();
    };
    expect((await start(name, out, { signal: controller.signal, onStep })).finished).toBe(false);
    expect((await resume(out, { threads: 1 })).finished).toBe(true);
    expect(await bitsOf(out)).toEqual(await bitsOf(join(folder, `${name}-run`)));
  });

  it("refuses what a model does not have, with the option to give", async () => {
    const refused = (more: TrainingChoices, model = "folded"): Promise<AdaptResult> =>
      start(model, join(folder, "refused"), {}, { sites: "all", ungated: "", dropPath: 0, ...more });
    await expect(refused({})).rejects.toThrow(/has none: its batch normalisations were folded .* 'batchNorm=frozen'/);
    const frozen = { batchNorm: "frozen", epochs: 0.1 } as const;
    await expect(
      adapt(
        {
          model: modelOf("folded"),
          train,
          out: join(folder, "long"),
          options: {
            preset: "paper",
            loss: "magface",
            batch: 6,
            sites: "all",
            lrPixels: [4, 6],
            magnitudes: [900, 1000],
          },
        },
        { threads: 1 },
      ),
    ).rejects.toThrow(/the embeddings of folded are \S+ to \S+ long.*'magnitudes' is 900,1000/);
    await expect(refused({ ...frozen, tokenMasking: 0.1 })).rejects.toThrow("needs a vision transformer");
    await expect(start("swin", join(folder, "single"), {}, { batch: 4, accumulate: 4 })).rejects.toThrow(
      "takes statistics over the images of a part",
    );
  });

  it.each(["adaface", "curricularface", "magface"] as const)(
    "%s has the same bits when stopped and resumed",
    async (loss) => {
      const options: TrainingChoices = {
        preset: "paper",
        loss,
        rank: 4,
        batch: 6,
        epochs: 3,
        lrPixels: [4, 6],
        magnitudes: [10, 30],
      };
      const [whole, stopped] = [join(folder, `${loss}-whole`), join(folder, `${loss}-stopped`)];
      const task = (out: string) => ({ model: modelOf("folded"), train, options: { ...options, sites: "all" }, out });
      await adapt(task(whole), { threads: 1 });
      const controller = new AbortController();
      const onStep = ({ step }: { step: number }): void => {
        if (step === 3) controller.abort();
      };
      expect((await adapt(task(stopped), { threads: 1, signal: controller.signal, onStep })).finished).toBe(false);
      await resume(stopped, { threads: 1 });
      expect(await bitsOf(stopped)).toEqual(await bitsOf(whole));
    },
  );
});
