import { copyFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Graph, itemAt, readModel, readTensor, type Tensor } from "onnx-grad";
import { describe, expect, it } from "vitest";
import {
  type Adapter,
  adaptedModel,
  buildAdapted,
  isReferenceLowRank,
  loadAdapter,
  mergeAdapter,
  proveSites,
  referenceAdapter,
  saveAdapter,
  toReference,
} from "../../src/adapters/index.ts";
import {
  type Backbone,
  buildNetwork,
  matchNetwork,
  openBackbone,
  parseArchitecture,
  preprocessingOf,
  writeNetwork,
} from "../../src/backbones/index.ts";
import { openCheckpoint } from "../../src/checkpoints/index.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { encodeSafetensors, type StoredTensor, toFloat32 } from "../../src/tensors/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import {
  oracleNets,
  type ReferenceCase,
  referenceBackbone,
  referenceCase,
  relativeError,
  weightsOf,
} from "../support/reference.ts";

const network = (spec: string) => buildNetwork(parseArchitecture(spec).architecture);
const swinSpec = "swin:dims=8/16/32,depths=2/2/2,heads=2/4/4";
const given = { scale: 1, calibration: { kind: "given", measure: "given" } } as const;

const lowRankOf = ({ state }: ReferenceCase) => new Map([...state].filter(([name]) => isReferenceLowRank(name)));

async function run(graph: Graph, feeds: Readonly<Record<string, Tensor>>): Promise<Float32Array> {
  const session = await openSession(graph, { threads: 1 });
  const results = await session.run(feeds);
  await session.close();
  return floatsOf(results, itemAt(graph.outputs, 0));
}

describe.skipIf(!oracleNets.exists)("the reference's networks (needs PETALFACE_SHARED)", () => {
  const folder = temporaryFolder();

  async function twin(): Promise<{ reference: ReferenceCase; backbone: Backbone; adapter: Adapter }> {
    const reference = await referenceCase("swin_iqa");
    const built = network(swinSpec);
    const backbone = referenceBackbone(built, weightsOf(built, reference.state));
    return { reference, backbone, adapter: referenceAdapter(backbone, lowRankOf(reference), given) };
  }

  it("have windows whose rows are images': changing one image changes only its own, at every site", async () => {
    const { backbone } = await twin();
    const { sites, unfit } = await proveSites(backbone, { threads: 1 });
    expect(unfit).toEqual([]);
    // Patch embedding, four layers in each of six blocks, two mergings, the feature layer.
    expect(sites.map(({ name }) => name)).toHaveLength(1 + 6 * 4 + 2 + 1);
    expect(sites.find(({ name }) => name === "layers.0.blocks.1.attn.qkv")?.rows).toEqual({
      axis: 0,
      outer: 25,
      inner: 16,
    });
  });

  it("gate every image by its own alpha, alone or beside others", async () => {
    const { reference, backbone, adapter } = await twin();
    const build = buildAdapted(backbone, adapter.config, { theta: adapter.theta, alpha: "input" });
    const graph = build.builder.build([build.embedding]);
    const { data } = reference.images as Tensor & { readonly dtype: "float32" };
    const alpha = reference.alpha as Float32Array;
    const pixels = data.length / 4;
    const all = await run(graph, {
      [build.input]: reference.images,
      alpha: { dtype: "float32", dims: [4], data: alpha },
    });
    for (let image = 0; image < 4; image++) {
      const alone = await run(graph, {
        [build.input]: {
          dtype: "float32",
          dims: [1, 3, 120, 120],
          data: data.slice(image * pixels, (image + 1) * pixels),
        },
        alpha: { dtype: "float32", dims: [1], data: alpha.slice(image, image + 1) },
      });
      expect(relativeError(all.subarray(image * 512, (image + 1) * 512), alone)).toBeLessThan(1e-6);
    }
  });

  it("keep layers without a gate when the adapter is merged, saved and loaded", async () => {
    const { reference, backbone, adapter } = await twin();
    expect(adapter.config).toMatchObject({ gate: "twin", rank: 8, ungated: ["feature_layer.2"] });
    const feeds = { [backbone.input]: reference.images };
    const merged = await mergeAdapter(backbone, adapter, 0.3);
    const fixed = adaptedModel(backbone, adapter, 0.3).graph;
    const expected = await run({ ...fixed, outputs: [itemAt(fixed.outputs, 0)] }, feeds);
    expect(relativeError(await run(merged, feeds), expected)).toBeLessThan(1e-5);
    await saveAdapter(join(folder, "twin"), backbone, adapter);
    const loaded = await loadAdapter(join(folder, "twin"), backbone);
    expect(loaded.config).toEqual(adapter.config);
    expect(loaded.theta).toEqual(adapter.theta);
    expect(new Map(toReference(backbone, loaded))).toEqual(lowRankOf(reference));
  });

  it("say which tensor of an adapter is missing or does not fit", async () => {
    const { reference, backbone } = await twin();
    const attempt = (change: (tensors: ReturnType<typeof lowRankOf>) => void) => () => {
      const tensors = lowRankOf(reference);
      change(tensors);
      referenceAdapter(backbone, tensors, given);
    };
    const name = "layers.1.blocks.0.attn.qkv.trainable_lora_up2.weight";
    expect(attempt((tensors) => tensors.delete(name))).toThrow(`${name} is missing`);
    expect(attempt((tensors) => tensors.set(name, { shape: [48, 3], data: new Float32Array(144) }))).toThrow(
      `${name} is [48,3]; its layer and the adapter's rank need [48,4]`,
    );
    const withoutDown = attempt((tensors) => {
      for (const key of [...tensors.keys()]) if (key.includes("_down")) tensors.delete(key);
    });
    expect(withoutDown).toThrow("no down projection");
    const other = "layers.7.mlp.trainable_lora_down.weight";
    expect(attempt((tensors) => tensors.set(other, { shape: [4, 8], data: new Float32Array(32) }))).toThrow(
      '"layers.7.mlp", which swin.onnx does not have',
    );
  });

  it("have the released code's position index and shift masks", async () => {
    const { state } = await referenceCase("swin_iqa");
    const { graph } = network(`${swinSpec},mask=1`);
    const data = (name: string): number[] =>
      Array.from((graph.constants.get(name) as Tensor).data as ArrayLike<number | bigint>, Number);
    const stored = (name: string): number[] => [...(state.get(name)?.data ?? [])];
    expect(data("relative_position_index")).toEqual(stored("layers.0.blocks.0.attn.relative_position_index"));
    const masks = [...graph.constants.keys()].filter((name) => name.startsWith("attn_mask"));
    expect(masks.map(data)).toEqual([0, 1].map((stage) => stored(`layers.${stage}.blocks.1.attn_mask`)));
    expect([...network(swinSpec).graph.constants.keys()].some((name) => name.startsWith("attn_mask"))).toBe(false);
  });

  it("IR is IResNet under other names where the first identity is halved by dropping pixels", async () => {
    const { state, images } = await referenceCase("r18");
    const weights = new Map([...state].filter(([name]) => !isReferenceLowRank(name)));
    const identity = Float32Array.from({ length: 64 * 64 }, (_, i) => Number(i % 65 === 0));
    const fill = (size: number, value: number) => ({ shape: [size], data: new Float32Array(size).fill(value) });
    weights.set("layer1.0.downsample.0.weight", { shape: [64, 64, 1, 1], data: identity });
    for (const [part, value] of [
      ["weight", 1],
      ["bias", 0],
      ["running_mean", 0],
      ["running_var", 1 - 1e-5],
    ] as const)
      weights.set(`layer1.0.downsample.1.${part}`, fill(64, value));
    weights.set("features.weight", fill(512, 1));
    weights.set("features.bias", fill(512, 0));
    const renamed = new Map([...weights].map(([name, tensor]) => [irName(name), tensor]));
    const embed = async (spec: string, tensors: ReferenceCase["state"]) => {
      const built = network(spec);
      const { graph, input } = referenceBackbone(built, weightsOf(built, tensors));
      return await run(graph, { [input]: images });
    };
    const ours = await embed("ir_18", renamed);
    expect(relativeError(ours, await embed("r18", weights))).toBeLessThan(1e-5);
    expect(network("ir_18").tensors.size).toBe(network("r18").tensors.size - 5 - 2);
  });

  it("take their weights from a file beside the model where one ONNX file is too small", async () => {
    const checkpoint = await openCheckpoint(join(oracleNets.path, "vit", "model.safetensors"));
    const spec = parseArchitecture("vit:dim=24,depth=2,heads=3");
    const matched = matchNetwork(checkpoint, spec.architecture, isReferenceLowRank);
    const preprocessing = preprocessingOf(spec);
    const own = join(folder, "apart");
    const written = await writeNetwork(matched, join(own, "big.onnx"), { preprocessing, apart: 1 });
    expect((await readdir(own)).sort()).toEqual(["big.onnx", "big.safetensors"]);
    await copyFile(checkpoint.path, join(folder, "copy.safetensors"));
    const copied = matchNetwork(
      await openCheckpoint(join(folder, "copy.safetensors")),
      spec.architecture,
      isReferenceLowRank,
    );
    const over = writeNetwork(copied, join(folder, "copy.onnx"), { preprocessing, apart: 1 });
    await expect(over).rejects.toThrow("is the checkpoint itself");
    const whole = await writeNetwork(matched, join(folder, "whole.onnx"), { preprocessing });
    expect(written.bytes).toBe(whole.bytes);
    const [big, one] = [await openBackbone(written.model), await openBackbone(whole.model)];
    const { images } = await referenceCase("vit");
    const feeds = { [big.input]: images };
    expect(await run(big.graph, feeds)).toEqual(await run(one.graph, feeds));
    expect(big.graph.metadata.get("petalface.weights")).toMatch(/^[0-9a-f]{64}$/);
  });

  it("come out of half-precision checkpoints as float32", async () => {
    const { state } = await referenceCase("vit");
    // The upper half of a float32 is a bfloat16.
    const halves = [...state].map(([name, { shape, data }]): [string, StoredTensor] => {
      const bits = new Uint32Array(Float32Array.from(data).buffer);
      return [`module.${name}`, { dtype: "BF16", shape, data: Uint16Array.from(bits, (word) => word >>> 16) }];
    });
    const path = join(folder, "half.safetensors");
    await writeFile(path, encodeSafetensors(halves));
    const spec = parseArchitecture("vit:dim=24,depth=2,heads=3");
    const matched = matchNetwork(await openCheckpoint(path), spec.architecture, isReferenceLowRank);
    await writeNetwork(matched, join(folder, "half.onnx"), { preprocessing: preprocessingOf(spec) });
    const { constants } = await readModel(join(folder, "half.onnx"));
    const stored = new Map(halves);
    let compared = 0;
    for (const name of matched.tensors.keys()) {
      const constant = constants.get(name);
      if (constant === undefined) continue;
      expect(readTensor(constant).data, name).toEqual(toFloat32(stored.get(`module.${name}`) as StoredTensor));
      compared++;
    }
    expect(compared).toBe(matched.tensors.size - 1);
  });

  it("leave nothing behind when writing is stopped", async () => {
    const checkpoint = await openCheckpoint(join(oracleNets.path, "vit", "model.safetensors"));
    const spec = parseArchitecture("vit:dim=24,depth=2,heads=3");
    const matched = matchNetwork(checkpoint, spec.architecture, isReferenceLowRank);
    const controller = new AbortController();
    const own = join(folder, "stopped");
    const work = writeNetwork(matched, join(own, "m.onnx"), {
      preprocessing: preprocessingOf(spec),
      signal: controller.signal,
      progress: () => controller.abort(),
    });
    await expect(work).rejects.toThrow("aborted");
    // Not even the folder, which was made for the file.
    await expect(readdir(own)).rejects.toThrow("ENOENT");
  });
});

/** The name of an insightface tensor in AdaFace's IR-18. */
function irName(name: string): string {
  const [, stage, index, rest = ""] = /^layer(\d)\.(\d)\.(.+)$/.exec(name) ?? [];
  const [table, path] = stage === undefined ? [outer, name] : [inner, rest];
  const [module, target] = Object.entries(table).find(([from]) => path.startsWith(`${from}.`)) ?? ["", ""];
  const block = stage === undefined ? "" : `body.${2 * (Number(stage) - 1) + Number(index)}.`;
  return `${block}${target}${path.slice(module.length)}`;
}

const outer = {
  conv1: "input_layer.0",
  bn1: "input_layer.1",
  prelu: "input_layer.2",
  bn2: "output_layer.0",
  fc: "output_layer.3",
  features: "output_layer.4",
} as const;
const inner = {
  bn1: "res_layer.0",
  conv1: "res_layer.1",
  bn2: "res_layer.2",
  prelu: "res_layer.3",
  conv2: "res_layer.4",
  bn3: "res_layer.5",
  "downsample.0": "shortcut_layer.0",
  "downsample.1": "shortcut_layer.1",
} as const;
