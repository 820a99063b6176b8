import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Graph, readModel, writeModel } from "onnx-grad";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdapterConfig, initialTheta, layoutOf, loadAdapter, saveAdapter } from "../../src/adapters/index.ts";
import { type Backbone, openBackbone } from "../../src/backbones/index.ts";
import { adapterHash } from "../../src/cli/embed.ts";
import { rememberedHash } from "../../src/models/hash.ts";
import { writeTinyBackbone } from "../support/backbone.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const bug = (...names: string[]): string => join(shared, "bugs", ...names);
const describeShared = describe.skipIf(!existsSync(join(shared, "bugs")));

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-bugs-models-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A plain adapter of all layers, saved; returns its folder. */
async function plainAdapter(backbone: Backbone, name: string): Promise<string> {
  const config: AdapterConfig = {
    method: "head",
    gate: "single",
    rank: 1,
    scale: 1,
    sites: [],
    backbone: { name: backbone.spec.name, sha256: backbone.spec.sha256 },
    calibration: { measure: "sharpness", low: 0, high: 1 },
  };
  const theta = await initialTheta(backbone, layoutOf(backbone, config), 1);
  await saveAdapter(join(folder, name), backbone, { config, theta });
  return join(folder, name);
}

/** The graph as PyTorch's exporter writes it: `model.onnx`, and all large weights in `model.onnx.data`. */
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

describeShared("model identity, on the exports that showed the fault (needs PETALFACE_SHARED)", () => {
  it("two epochs with equal .onnx bytes are two models", async () => {
    const [first, second] = await Promise.all(
      ["epoch1", "epoch2"].map((epoch) => openBackbone(bug("external-weights", epoch, "model.onnx"))),
    );
    expect(first?.spec.fileSha256).toBe(second?.spec.fileSha256);
    expect(first?.spec.sha256).not.toBe(second?.spec.sha256);
  });
});
