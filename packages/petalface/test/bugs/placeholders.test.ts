import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isExternal, readModel, writeModel } from "onnx-grad";
import { describe, expect, it, test } from "vitest";
import { loadAdapter } from "../../src/adapters/index.ts";
import { inspect } from "../../src/api/inspect/inspect.ts";
import { openBackbone } from "../../src/backbones/index.ts";
import { openCheckpoint } from "../../src/checkpoints/index.ts";
import { describe as describeInspection } from "../../src/cli/commands/inspect/describe.ts";
import { openData } from "../../src/data/index.ts";
import { readIntegers } from "../../src/data/integers.ts";
import { readMat } from "../../src/data/mat.ts";
import { loadEvaluation, readPairs } from "../../src/evaluation/index.ts";
import { openDetector } from "../../src/faces/index.ts";
import { decodeImage } from "../../src/images/index.ts";
import { readBrisqueWeights } from "../../src/quality/brisque/opencv-yaml.ts";
import { openSession } from "../../src/runtime/index.ts";
import { readSafetensors } from "../../src/tensors/index.ts";
import { readRun } from "../../src/training/index.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder();

const placeholders = [
  [
    "pointer",
    "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456\n",
    /Git LFS pointer.*git lfs pull/,
  ],
  ["page", "\n<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", /a web page.*download/],
] as const;

/** What reads a file of each name. */
const readers: readonly (readonly [name: string, read: (path: string) => Promise<unknown>])[] = [
  ["model.onnx", openBackbone],
  ["detector.onnx", openDetector],
  ["weights.pth", openCheckpoint],
  ["weights.bin", openCheckpoint],
  ["weights.safetensors", openCheckpoint],
  ["model.safetensors.index.json", openCheckpoint],
  ["tensors.safetensors", readSafetensors],
  ["faces.rec", openData],
  ["faces.bin", openData],
  ["faces.csv", openData],
  ["faces.jsonl", openData],
  ["faces.lst", openData],
  ["faces.dat", openData],
  ["list.idx", (path) => readIntegers(path, [Uint32Array])],
  ["names.mat", readMat],
  ["face.jpg", (path) => decodeImage(path, 16)],
  ["pairs.txt", readPairs],
  ["evaluation.json", loadEvaluation],
  ["brisque.yml", (path) => readBrisqueWeights(path, path)],
  ...["rows.npy", "face.png", "anything"].map((name) => [name, inspect] as const),
];

describe.each(placeholders)("a %s in the place of a file", (kind, content, sentence) => {
  test.each(readers)("%s is named as such", async (name, read) => {
    await mkdir(join(folder, kind), { recursive: true });
    const path = join(folder, kind, name);
    await writeFile(path, content);
    const error = await read(path).then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error?.message).toMatch(sentence);
    expect(error?.message).toContain(path);
    expect(error?.message.split("\n")).toHaveLength(1);
  });

  it("is named where a model's weights lie in it", async () => {
    const inner = join(folder, `${kind}-data`);
    await mkdir(inner, { recursive: true });
    await writeTinyBackbone(join(inner, "whole.onnx"));
    const path = join(inner, "model.onnx");
    const graph = await readModel(join(inner, "whole.onnx"));
    const data = join(inner, "model.onnx.data");
    const [name, weight] = [...graph.constants].find(([, { dtype }]) => dtype === "float32") ?? [];
    if (name === undefined || weight === undefined || isExternal(weight)) throw new Error("no weight");
    await writeFile(data, new Uint8Array(weight.data.buffer, weight.data.byteOffset, weight.data.byteLength));
    const length = weight.data.byteLength;
    const outside = { dtype: weight.dtype, dims: weight.dims, file: data, offset: 0, length };
    const constants = new Map([...graph.constants, [name, outside]]);
    await writeModel({ ...graph, constants }, path, { keepExternal: true });
    await openBackbone(path);
    await writeFile(join(inner, "model.onnx.data"), content);
    await expect(openBackbone(path)).rejects.toThrow(sentence);
    await expect(openBackbone(path)).rejects.toThrow(/model\.onnx.*model\.onnx\.data/);
  });

  it("is named where a shard, an index of records, a run or an adapter should be", async () => {
    const inner = join(folder, `${kind}-parts`);
    await mkdir(inner, { recursive: true });
    const put = (name: string, text: string | Uint8Array): Promise<void> => writeFile(join(inner, name), text);
    await put("m.safetensors.index.json", JSON.stringify({ weight_map: { w: "m-1.safetensors" } }));
    await put("m-1.safetensors", content);
    await expect(openCheckpoint(join(inner, "m.safetensors.index.json"))).rejects.toThrow(sentence);
    await put("set.rec", new Uint8Array(64));
    await put("set.idx", content);
    await expect(openData(join(inner, "set.rec"))).rejects.toThrow(sentence);
    await put("run.json", content);
    await expect(readRun(inner)).rejects.toThrow(sentence);
    await put("adapter_config.json", content);
    await writeTinyBackbone(join(inner, "tiny.onnx"));
    await expect(loadAdapter(inner, await openBackbone(join(inner, "tiny.onnx")))).rejects.toThrow(sentence);
  });

  it("leaves a photo out and says why", async () => {
    const inner = join(folder, `${kind}-photos`, "someone");
    await mkdir(inner, { recursive: true });
    await writeFile(join(inner, "1.jpg"), content);
    const { text } = describeInspection(await inspect(join(folder, `${kind}-photos`)));
    expect(text).toMatch(sentence);
  });
});

test("drawings and text that speak of pages are no pages", async () => {
  const path = join(folder, "drawing.png");
  await writeFile(path, '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>');
  await expect(decodeImage(path, 16)).rejects.toThrow(/format XML, which is not read/);
  await writeFile(join(folder, "odd.csv"), "path,person\n<html>.jpg,a\n");
  await expect(openData(join(folder, "odd.csv"))).rejects.toThrow(/there is no file/);
});

test("what onnxruntime says of a model names the user's file and no copy of it", async () => {
  const path = join(folder, "refused.onnx");
  await writeTinyBackbone(path);
  const graph = await readModel(path);
  // onnxruntime alone refuses an attribute that the operator does not have.
  const attributes = { bogus: { int: 1 } };
  const nodes = graph.nodes.map((node) => (node.op === "Clip" ? { ...node, attributes } : node));
  const error = await openSession({ ...graph, nodes }, { name: path, scratch: folder }).then(
    () => undefined,
    (reason: Error) => reason,
  );
  expect(error?.message).toContain(`onnxruntime could not load ${path} on cpu: This is an invalid model.`);
  expect(error?.message.replace(path, "")).not.toContain(folder);
  await writeFile(join(folder, "broken.onnx"), (await readFile(path)).subarray(0, 400));
  await expect(openDetector(join(folder, "broken.onnx"))).rejects.toThrow(/broken\.onnx/);
});
