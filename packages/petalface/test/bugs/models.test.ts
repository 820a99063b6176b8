import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Graph, itemAt, quantise, readModel, writeModel } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { adapterHash } from "../../src/adapters/hash.ts";
import { type AdapterConfig, loadAdapter, proveSites, refuseQuantised } from "../../src/adapters/index.ts";
import { inspectModel } from "../../src/api/inspect/model.ts";
import { openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { describeModel } from "../../src/cli/commands/inspect/model.ts";
import { rememberedHash } from "../../src/models/hash.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type FormOptions, smallRecogniser, smallWidth } from "../support/forms.ts";
import { apart, embed, faces, modelsIn } from "./opened.ts";

const folder = temporaryFolder();
const { opened, plainAdapter } = modelsIn(folder);

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const bug = (...names: string[]): string => join(shared, "bugs", ...names);
const describeShared = describe.skipIf(!existsSync(join(shared, "bugs")));

/**
 * The graph as PyTorch's exporter writes it: `model.onnx`, and all large weights in
 * `model.onnx.data`.
 */
async function writeWithData(graph: Graph, into: string, change = 0): Promise<string> {
  await mkdir(into, { recursive: true });
  const file = join(into, "model.onnx.data");
  const pieces: Buffer[] = [];
  let offset = 0;
  const constants = new Map(graph.constants);
  for (const [name, constant] of graph.constants) {
    if (constant.dtype !== "float32" || "file" in constant) continue;
    const data = Buffer.from(constant.data.map((value) => value + change).buffer);
    pieces.push(data);
    constants.set(name, { dtype: "float32", dims: constant.dims, file, offset, length: data.length });
    offset += data.length;
  }
  await writeFile(file, Buffer.concat(pieces));
  await writeModel({ ...graph, constants }, join(into, "model.onnx"), { keepExternal: true });
  return join(into, "model.onnx");
}

const sha256 = async (path: string): Promise<string> =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

describe("model identity", () => {
  it("is the file's SHA-256 where the model holds its own weights", async () => {
    const path = join(folder, "whole.onnx");
    await writeTinyBackbone(path);
    const { spec } = await openBackbone(path);
    expect(spec.sha256).toBe(await sha256(path));
    expect(spec.fileSha256).toBeUndefined();
  });

  it("covers the weights in other files: an adapter of one epoch is refused on another", async () => {
    const whole = join(folder, "source.onnx");
    await writeTinyBackbone(whole);
    const graph = await readModel(whole);
    const first = await openBackbone(await writeWithData(graph, join(folder, "epoch1")));
    const second = await openBackbone(await writeWithData(graph, join(folder, "epoch2"), 0.01));
    expect(await sha256(first.path)).toBe(await sha256(second.path));
    expect(first.spec.fileSha256).toBe(await sha256(first.path));
    expect(first.spec.sha256).not.toBe(second.spec.sha256);
    const adapter = await plainAdapter(first, "of-epoch1");
    await loadAdapter(adapter, first);
    await expect(loadAdapter(adapter, second)).rejects.toThrow(/was trained on model/);
    // The same weights elsewhere are the same model.
    await cp(join(folder, "epoch1"), join(folder, "copy"), { recursive: true });
    expect((await openBackbone(join(folder, "copy", "model.onnx"))).spec.sha256).toBe(first.spec.sha256);
  });

  it("says in one line what became of an adapter that knows its model by the .onnx file alone", async () => {
    const whole = join(folder, "old-source.onnx");
    await writeTinyBackbone(whole);
    const backbone = await openBackbone(await writeWithData(await readModel(whole), join(folder, "old")));
    const { fileSha256 = "" } = backbone.spec;
    const adapter = await plainAdapter(backbone, "of-old");
    const file = join(adapter, "adapter_config.json");
    await writeFile(file, (await readFile(file, "utf8")).replace(backbone.spec.sha256, fileSha256));
    const failure = await loadAdapter(adapter, backbone).catch((error: Error) => error);
    expect(String(failure)).toMatch(/by its \.onnx file alone.*set backbone\.sha256 to [0-9a-f]{64}$/);
    await writeFile(file, (await readFile(file, "utf8")).replace(fileSha256, backbone.spec.sha256));
    await loadAdapter(adapter, backbone);
  });

  it("remembers the hash of a large file, and not beyond a change of the file", async () => {
    const path = join(folder, "large.bin");
    const kept = join(folder, "hashes");
    const bytes = Buffer.alloc(33 * 2 ** 20, 1);
    const later = Date.now() + 60_000;
    await writeFile(path, bytes);
    const first = await rememberedHash(path, kept, later);
    expect(first).toBe(await sha256(path));
    const [entry = ""] = await readdir(kept);
    // What is remembered is used: a remembered hash that we change comes back.
    const remembered = await readFile(join(kept, entry), "utf8");
    await writeFile(join(kept, entry), remembered.replace(first, "0".repeat(64)));
    expect(await rememberedHash(path, kept, later)).toBe("0".repeat(64));
    // Other bytes of the same length, with the time of writing put back.
    const { atime, mtime } = await stat(path);
    await writeFile(path, bytes.fill(2));
    await utimes(path, atime, mtime);
    expect(await rememberedHash(path, kept, later)).toBe(await sha256(path));
    // A file that was written just now is not remembered.
    await writeFile(path, bytes.fill(3));
    await rememberedHash(path, join(folder, "other-hashes"));
    await expect(readdir(join(folder, "other-hashes"))).rejects.toThrow(/ENOENT/);
    // A folder that cannot be written is no failure.
    expect(await rememberedHash(path, join(path, "below-a-file"), later)).toBe(await sha256(path));
  });

  it("says what a file is that is no model", async () => {
    const files: [string, string, RegExp][] = [
      [
        "lfs.onnx",
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        /a Git LFS pointer.*git lfs pull/,
      ],
      ["page.onnx", "<!doctype html><html></html>", /a web page or XML.*download the file itself/],
    ];
    for (const [name, content, message] of files) {
      await writeFile(join(folder, name), content);
      await expect(openBackbone(join(folder, name))).rejects.toThrow(message);
    }
  });

  it("tells adapters apart that differ in trained statistics alone", () => {
    const config = { sites: [] } as unknown as AdapterConfig;
    const of = (statistics: number[]) =>
      adapterHash({ config, theta: Float32Array.of(1), statistics: Float32Array.from(statistics) });
    expect(of([1, 2])).not.toBe(of([1, 3]));
    expect(of([1, 2])).toBe(of([1, 2]));
  });
});

describe("models whose embeddings depend on other faces or on chance", () => {
  const channels = (value: number): { dtype: "float32"; dims: number[]; data: Float32Array } => ({
    dtype: "float32",
    dims: [8],
    data: new Float32Array(8).fill(value),
  });
  const trained: FormOptions["middle"] = (_, b, x) => {
    const inputs = [1, 0, 0, 1].map((value) => b.constant(channels(value), "statistic"));
    return itemAt(b.addAll("BatchNormalization", [x, ...inputs], { training_mode: { int: 1 } }, { outputs: 3 }), 0);
  };
  const dropout: FormOptions["middle"] = (_, b, x) => {
    const ratio = b.constant({ dtype: "float32", dims: [], data: Float32Array.of(0.5) }, "ratio");
    const training = b.constant({ dtype: "bool", dims: [], data: Uint8Array.of(1) }, "training");
    return b.add("Dropout", [x, ratio, training]);
  };
  /** Batch normalisation in training mode, as an exporter that takes it apart writes it. */
  const apartNorm: FormOptions["middle"] = (o, _, x) => o.sub(x, o.reduceMean(x, [0, 2, 3], true));
  const average: FormOptions["last"] = (o, _, x) => [o.sub(x, o.reduceMean(x, [0], true))];
  it.each([
    ["batch normalisation in training mode", { middle: trained }, /BatchNormalization ".*" is in training mode.*eval/],
    ["dropout in training mode", { middle: dropout }, /Dropout ".*" is in training mode: .* differ in every run/],
    [
      "batch normalisation taken apart",
      { middle: apartNorm },
      /depends on the other faces of its batch \(.*ReduceMean/,
    ],
    ["the mean of the batch", { last: average }, /depends on the other faces of its batch/],
  ] satisfies [string, FormOptions, RegExp][])("%s is refused in one line", async (name, options, message) => {
    const failure = await opened(name.replaceAll(" ", "-"), options).catch((error: Error) => error);
    expect(String(failure)).toMatch(message);
    expect(String(failure)).not.toContain("\n");
  });

  it("the same in evaluation mode is no fault", async () => {
    const still: FormOptions["middle"] = (_, b, x) => {
      const inputs = [1, 0, 0, 1].map((value) => b.constant(channels(value), "statistic"));
      return b.add("BatchNormalization", [x, ...inputs]);
    };
    expect((await opened("evaluation", { middle: still })).width).toBe(smallWidth);
  });

  it.each(["RandomNormalLike", "RandomUniformLike", "Bernoulli"])("%s is refused when the file is read", async (op) => {
    const graph = smallRecogniser();
    const [last] = graph.nodes.slice(-1);
    if (last === undefined) throw new Error("no node");
    const chance = {
      op,
      domain: "",
      name: "chance",
      inputs: [last.inputs[0] ?? ""],
      outputs: ["drawn"],
      attributes: {},
    };
    const nodes = [...graph.nodes.slice(0, -1), chance, { ...last, inputs: ["drawn", last.inputs[1] ?? ""] }];
    const path = join(folder, `${op}.onnx`);
    await writeModel({ ...graph, nodes }, path);
    await expect(openBackbone(path)).rejects.toThrow(/it draws random numbers.*evaluation mode/);
  });
});

describe("8-bit models", () => {
  it("can be used, and say why they cannot be adapted", async () => {
    const plain = await opened("to-quantise", {});
    const path = join(folder, "quantised.onnx");
    await writeModel(await quantise(plain.graph, { keep: () => false }), path);
    const backbone = await openBackbone(path);
    expect(backbone.width).toBe(smallWidth);
    expect(() => refuseQuantised(backbone)).toThrow(/8-bit integers .* adapt the float model .* 'precision=int8'/);
    expect(() => refuseQuantised(plain)).not.toThrow();
    const { document, text } = describeModel(await inspectModel(path, {}));
    expect(text.split("\n")[1]).toMatch(/^usable as it is, but its weights are 8-bit integers/);
    expect(document.quantised).toBe(true);
    // Ranges over a batch: one face at a time, so that no face depends on its neighbours.
    const embedder = await openEmbedder(backbone, { threads: 1 });
    expect(embedder.batch).toBe(1);
    await embedder.close();
  });
});

describeShared("models that showed the faults (needs PETALFACE_SHARED)", () => {
  const pixels = Uint8Array.from({ length: faces * 3 * 112 * 112 }, (_, i) => (i * 7919 + (i % 13) * 31) % 256);

  it("training-mode-export is refused in one line", async () => {
    await expect(openBackbone(bug("training-mode-export", "bn_training_mode.onnx"))).rejects.toThrow(
      /BatchNormalization "bn" is in training mode/,
    );
  });

  it("bgr-onnx embeds with --channels bgr as the same network for RGB does", async () => {
    const bgr = await openBackbone(bug("bgr-onnx", "bgr.onnx"), { channels: "bgr" });
    const rgb = await openBackbone(bug("bgr-onnx", "same-network-rgb.onnx"));
    expect(apart(await embed(rgb, pixels), await embed(bgr, pixels))).toBeLessThan(1e-5);
  });

  it.each(["fp16", "uint8", "double"])("input-types/%s is embedded and has layers to adapt", async (name) => {
    const backbone = await openBackbone(bug("input-types", `${name}.onnx`));
    expect((await embed(backbone, pixels)).every(Number.isFinite)).toBe(true);
    expect((await proveSites(backbone)).sites).toHaveLength(3);
  });

  it("two-outputs: the unit feature is the embedding", async () => {
    const backbone = await openBackbone(bug("two-outputs", "adaface.onnx"));
    expect([backbone.output, backbone.width]).toEqual(["feature", 32]);
    const rows = await embed(backbone, pixels);
    expect(Math.hypot(...rows.slice(0, 32))).toBeCloseTo(1, 5);
  });

  it("open-sides opens with --size", async () => {
    const path = bug("open-sides", "open.onnx");
    await expect(openBackbone(path)).rejects.toThrow(/'size'/);
    expect((await openBackbone(path, { size: 112 })).size).toBe(112);
  });
});

describeShared("model identity, on the exports that showed the fault (needs PETALFACE_SHARED)", () => {
  it("two epochs with equal .onnx bytes are two models", async () => {
    const [first, second] = await Promise.all(
      ["epoch1", "epoch2"].map((epoch) => openBackbone(bug("external-weights", epoch, "model.onnx"))),
    );
    expect(first?.spec.fileSha256).toBe(second?.spec.fileSha256);
    expect(first?.spec.sha256).not.toBe(second?.spec.sha256);
  });
});
