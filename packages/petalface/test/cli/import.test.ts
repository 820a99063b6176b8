import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { entryOf, readModel, readTensor } from "onnx-grad";
import { describe, expect, it, test } from "vitest";
import { buildAdapted, loadAdapter } from "../../src/adapters/index.ts";
import { openBackbone, trainingWeight } from "../../src/backbones/index.ts";
import { openCheckpoint, readTensor as readWeight } from "../../src/checkpoints/index.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { readSafetensors, toFloat32 } from "../../src/tensors/index.ts";
import { shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";
import { relativeError } from "../support/reference.ts";
import { petalface, petalfaceProcess } from "./process.ts";

const place = shared("oracle", "formats", "checkpoints");
const weights = shared("weights");
const arch = "vit:image=27,patch=9,dim=16,depth=2,heads=2,rank=2";

interface Expected {
  readonly load: string;
  readonly tensors?: readonly { readonly name: string; readonly sum: number; readonly first4: readonly number[] }[];
}

describe.skipIf(!place.exists)("petalface import (needs PETALFACE_SHARED)", () => {
  const folder = temporaryFolder();
  const file = (name: string): string => join(place.path, name);
  const { files } = JSON.parse(place.exists ? readFileSync(file("expected.json"), "utf8") : '{"files":{}}') as {
    readonly files: Readonly<Record<string, Expected>>;
  };

  let runs = 0;
  /** Imports a checkpoint by its name into a folder of its own. */
  const run = async (name: string, ...rest: readonly string[]) => {
    const own = join(folder, String(runs++));
    const [model, adapter] = [join(own, "m\u00f6del.onnx"), join(own, "adapter")];
    const flags = rest.map((word) => (word === "ADAPTER" ? adapter : word));
    const ended = await petalfaceProcess(["import", file(name), "--out", model, "--json", "--quiet", ...flags]);
    return { ...ended, own, model, adapter };
  };
  const full = (name: string) => run(name, "--arch", arch, "--adapter-out", "ADAPTER");

  /** Embeddings of the oracle's images. */
  async function embed(model: string, adapterFolder: string): Promise<Float32Array> {
    const { tensors } = await readSafetensors(file("io.safetensors"));
    const input = (name: string, dims: readonly number[]) => {
      const data = toFloat32(tensors.get(name) as NonNullable<ReturnType<typeof tensors.get>>);
      return { dtype: "float32", dims, data } as const;
    };
    const backbone = await openBackbone(model);
    const adapter = await loadAdapter(adapterFolder, backbone);
    const build = buildAdapted(backbone, adapter.config, { theta: adapter.theta, alpha: "input" });
    const session = await openSession(build.builder.build([build.embedding]), { threads: 1 });
    const results = await session.run({ [build.input]: input("x", [4, 3, 27, 27]), alpha: input("alpha", [4]) });
    await session.close();
    return floatsOf(results, build.embedding);
  }
  const expectedEmbedding = async (name: string): Promise<Float32Array> => {
    const { tensors } = await readSafetensors(file("io.safetensors"));
    return toFloat32(tensors.get(name) as NonNullable<ReturnType<typeof tensors.get>>);
  };

  it("gives the released code's embeddings, the same from every kind of file", async () => {
    const names = ["standard.pt", "legacy.pt", "module_prefix.pt", "cuda_location.pt", "deflated.pt"];
    const runs = await Promise.all(names.map(full));
    for (const [at, { code, stderr, stdout, model, adapter }] of runs.entries()) {
      expect({ code, stderr }, names[at]).toEqual({ code: 0, stderr: "" });
      const { architecture, parameters, adapter: found } = JSON.parse(stdout);
      expect(architecture).toContain("dim=16,depth=2,heads=2");
      // All tensors of the file but statistics, counters and adapters.
      expect(parameters).toBe(22_112);
      expect(found).toMatchObject({ layers: 4, gate: "twin", rank: 4, scale: 1, parameters: 1888 });
      expect(await readFile(model)).toEqual(await readFile(runs[0].model));
      expect(await readFile(join(adapter, "adapter_model.safetensors"))).toEqual(
        await readFile(join(runs[0].adapter, "adapter_model.safetensors")),
      );
    }
    const [first] = runs as [(typeof runs)[0]];
    expect(
      relativeError(await embed(first.model, first.adapter), await expectedEmbedding("embedding_standard")),
    ).toBeLessThan(1e-4);
    const graph = await readModel(first.model);
    const expected = new Map(files["standard.pt"]?.tensors?.map((tensor) => [tensor.name, tensor]));
    for (const [name, constant] of graph.constants) {
      const tensor = expected.get(name);
      if (tensor === undefined) continue;
      const data = readTensor(constant).data as Float32Array;
      expect(relativeError(data.subarray(0, 4), tensor.first4), name).toSatisfy((e) => Number.isNaN(e) || e < 1e-6);
      expect(Math.abs(data.reduce((sum, value) => sum + value, 0) - tensor.sum), name).toBeLessThan(1e-5);
      expected.delete(name);
    }
    // The adapter and counters are elsewhere; what only training needs is in the metadata.
    expect([...expected.keys()].filter((name) => !/trainable_lora|num_batches_tracked/.test(name))).toEqual([
      "mask_token",
    ]);
    const token = trainingWeight(graph.metadata, "mask_token") ?? new Float32Array();
    expect(relativeError(token.subarray(0, 4), expected.get("mask_token")?.first4 ?? [])).toBeLessThan(1e-6);
  });

  it("takes the network out of a training checkpoint", async () => {
    const { code, model, adapter } = await full("full_checkpoint.pt");
    expect(code).toBe(0);
    expect(
      relativeError(await embed(model, adapter), await expectedEmbedding("embedding_full_checkpoint")),
    ).toBeLessThan(1e-4);
  });

  it("leaves the adapter out where nobody asks for it, and says so", async () => {
    const { stdout, own } = await run("standard.pt", "--arch", arch);
    expect(JSON.parse(stdout).notes.join()).toContain("--adapter-out");
    expect(readdirSync(own).sort()).toEqual([".petalface.sha256", "m\u00f6del.onnx"]);
  });

  it("lists what does not fit, and writes nothing", async () => {
    const { code, stderr, own } = await run("wrong_shapes.pt", "--arch", arch);
    expect(code).toBe(1);
    for (const part of [
      "blocks.1.mlp.fc1.bias",
      "pos_embed is [1,8,16] and not [1,9,16]",
      "[16,48]",
      "blocks.9.extra.weight",
    ])
      expect(stderr).toContain(part);
    expect(existsSync(own)).toBe(false);
    for (const [name, part] of [
      ["non_finite.pt", "infinities"],
      ["handmade_ok.pt", "missing"],
      ["odd_keys.pt", "missing"],
      ["half.pt", "are missing"],
    ] as const) {
      const ended = await run(name, "--arch", arch);
      expect({ code: ended.code, lines: ended.stderr.trim().split("\n").length }, name).toEqual({ code: 1, lines: 1 });
      expect(ended.stderr).toContain(part);
      expect(existsSync(ended.model)).toBe(false);
    }
  });

  test.each([
    [["--arch", "vit:image=27"], 1, "another shape"],
    [["--arch", `${arch.replace("rank=2", "rank=3")}`], 1, "rank 2, not 3"],
    [["--arch", "resnet"], 2, "known: swin"],
    [["--arch", arch, "--alpha-threshold", "1"], 2, "need --quality"],
  ] as const)("refuses %j", async (flags, code, part) => {
    const ended = await run("standard.pt", ...flags);
    expect(ended.stderr).toContain(part);
    expect(ended.code).toBe(code);
    expect(ended.stderr.trim().split("\n")).toHaveLength(1);
    expect(existsSync(ended.model)).toBe(false);
  });

  it("refuses harmful files in one line, without side effects", async () => {
    // All others are tried where checkpoints are opened; a process each would take a minute.
    const names = [
      "evil_reduce.pt",
      "evil_legacy.pt",
      "zipbomb.pt",
      "pickle_laughs.pt",
      "huge_shape.pt",
      "truncated_tail.pt",
    ];
    const own = join(folder, "harmful");
    await mkdir(own);
    for (const name of names) {
      expect(files[name]?.load).toContain("refuse");
      const args = ["import", file(name), "--arch", "auto", "--out", "out.onnx", "--adapter-out", "out"];
      const { code, stdout, stderr } = await petalface(args, { cwd: own });
      expect({ code, stdout, lines: stderr.trim().split("\n").length }, `${name}: ${stderr}`).toEqual({
        code: 1,
        stdout: "",
        lines: 1,
      });
    }
    expect(readdirSync(own)).toEqual([]);
  });

  it("hands the adapter back under the released code's names, and as PEFT's", async () => {
    const { model, adapter, own } = await full("standard.pt");
    const common = ["export", "--model", model, "--adapter", adapter];
    const back = join(own, "back.pt");
    expect((await petalface([...common, "--as", "reference", "--out", back])).code).toBe(0);
    const [written, original] = [await openCheckpoint(back), await openCheckpoint(file("standard.pt"))];
    const lowRank = [...(original.groups[0]?.tensors ?? [])].filter(([name]) => name.includes("trainable_lora"));
    const found = written.groups[0].tensors;
    expect([...found.keys()].sort()).toEqual(lowRank.map(([name]) => name).sort());
    for (const [name, tensor] of lowRank)
      expect(await readWeight(written, entryOf(found, name)), name).toEqual(await readWeight(original, tensor));

    const peft = join(own, "peft");
    const { stdout } = await petalface([...common, "--as", "peft", "--out", peft, "--json"]);
    expect(JSON.parse(stdout).adapters).toEqual([
      { folder: "low", weight: "1 - alpha", layers: 2 },
      { folder: "high", weight: "alpha", layers: 2 },
      { folder: "always", weight: "1", layers: 2 },
    ]);
    const pairs = { low: "", high: "2" } as const;
    for (const [part, suffix] of Object.entries(pairs)) {
      const { tensors } = await readSafetensors(join(peft, part, "adapter_model.safetensors"));
      const name = "blocks.1.attn.qkv";
      for (const [side, word] of [
        ["lora_A", "down"],
        ["lora_B", "up"],
      ] as const)
        expect(tensors.get(`base_model.model.${name}.${side}.weight`)?.data).toEqual(
          await readWeight(original, new Map(lowRank).get(`${name}.trainable_lora_${word}${suffix}.weight`) as never),
        );
      const config = JSON.parse(await readFile(join(peft, part, "adapter_config.json"), "utf8"));
      expect(config).toMatchObject({
        peft_type: "LORA",
        r: 2,
        lora_alpha: 2,
        target_modules: ["blocks.0.attn.qkv", name],
      });
    }
  });

  it("keeps a rule for alpha with the adapter, or asks for one", async () => {
    const own = join(folder, "rule");
    const out = ["--out", join(own, "m.onnx"), "--adapter-out", join(own, "adapter")];
    const rule = ["--quality", "sharpness", "--alpha-threshold", "2.5"];
    expect((await petalface(["import", file("standard.pt"), "--arch", arch, ...out, ...rule])).code).toBe(0);
    const { config } = await loadAdapter(join(own, "adapter"), await openBackbone(join(own, "m.onnx")));
    expect(config.calibration).toEqual({ kind: "paper", measure: "sharpness", threshold: 2.5 });
    const { model, adapter } = await full("standard.pt");
    const images = join(own, "none");
    await mkdir(images);
    const args = ["embed", "--model", model, "--adapter", adapter, "--images", images, "--out", join(own, "e.npy")];
    const { code, stderr } = await petalface(args);
    expect(code).toBe(1);
    expect(stderr).toContain("has no rule for alpha");
  });

  it("reads a Hugging Face folder, whose config says what shapes do not", async () => {
    const own = join(folder, "hub");
    await mkdir(own);
    const bytes = await readFile(shared("oracle", "nets", "vit", "model.safetensors").path);
    await writeFile(join(own, "model.safetensors"), bytes);
    await writeFile(join(own, "config.json"), JSON.stringify({ image_size: 112, num_attention_heads: 3 }));
    const args = [
      "import",
      own,
      "--arch",
      "auto",
      "--out",
      join(own, "m.onnx"),
      "--adapter-out",
      join(own, "a"),
      "--json",
    ];
    const { code, stdout } = await petalface(args);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      architecture: "vit:image=112,embedding=512,patch=9,dim=24,depth=2,heads=3,mlp=4",
      adapter: { gate: "single", rank: 3, layers: 2 },
    });
  });
});

describe.skipIf(!weights.exists)("foamliu's MobileFaceNet (needs PETALFACE_SHARED)", () => {
  const folder = temporaryFolder();
  it("is the model that its ONNX file holds", async () => {
    const out = join(folder, "m.onnx");
    const { code } = await petalface([
      "import",
      join(weights.path, "mobilefacenet.pt"),
      "--arch",
      "auto",
      "--out",
      out,
    ]);
    expect(code).toBe(0);
    const data = Float32Array.from({ length: 3 * 112 * 112 }, (_, i) => Math.sin(i * 0.37) * Math.cos(i * 0.011));
    const [ours, theirs] = await Promise.all(
      [out, join(weights.path, "mobilefacenet.onnx")].map(async (path) => {
        const { graph, input, output, spec } = await openBackbone(path);
        const session = await openSession(graph, { threads: 1 });
        const results = await session.run({ [input]: { dtype: "float32", dims: [1, 3, 112, 112], data } });
        await session.close();
        return { embedding: floatsOf(results, output), spec };
      }),
    );
    expect(relativeError(ours?.embedding ?? [], theirs?.embedding ?? [1])).toBeLessThan(1e-4);
    // ImageNet's mean and deviation, as it was trained.
    expect(ours?.spec.mean).toEqual([123.675, 116.28, 103.53]);
    const inspected = await petalface(["inspect", join(weights.path, "mobilefacenet.pt"), "--json"]);
    expect(JSON.parse(inspected.stdout).arch).toBe("mobilefacenet-foamliu:image=112,embedding=128");
  });
});
