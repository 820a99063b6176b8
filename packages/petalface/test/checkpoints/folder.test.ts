import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it, test } from "vitest";
import { inspect } from "../../src/api/inspect/inspect.ts";
import { isCheckpoint, openCheckpoint, readTensor } from "../../src/checkpoints/index.ts";
import { describe as describeInspection } from "../../src/cli/commands/inspect/describe.ts";
import { encodeSafetensors } from "../../src/tensors/index.ts";
import { temporaryFolder } from "../support/folder.ts";
import { dict, int, tensor, torchLegacy, torchZip } from "./craft.ts";

const root = temporaryFolder();
let folder = "";
let number = 0;
beforeEach(() => {
  folder = join(root, `f${number++}`);
  mkdirSync(folder);
});
const put = (name: string, content: string | Uint8Array): void => writeFileSync(join(folder, name), content);
const shard = (...names: readonly string[]): Uint8Array =>
  encodeSafetensors(
    names.map((name) => [name, { dtype: "F32", shape: [1], data: Float32Array.of(name.length) }] as const),
  );
const index = (map: Readonly<Record<string, unknown>>): string => JSON.stringify({ metadata: {}, weight_map: map });

it("reads a Hugging Face folder with its configuration", async () => {
  put("config.json", '{"architectures": ["Swin"], "image_size": 120}');
  put("model.safetensors", shard("a", "bb"));
  const checkpoint = await openCheckpoint(folder);
  expect(checkpoint).toMatchObject({ format: "safetensors", config: { image_size: 120 } });
  expect([...(checkpoint.groups[0]?.tensors.keys() ?? [])]).toEqual(["a", "bb"]);
  expect(await isCheckpoint(folder)).toBe(true);
});

it("reads PyTorch's file in such a folder", async () => {
  put("pytorch_model.bin", torchZip(dict({ w: tensor() })));
  expect((await openCheckpoint(folder)).format).toBe("torch-zip");
});

it("reads tensors from shards", async () => {
  put("model-1.safetensors", shard("a"));
  put("model-2.safetensors", shard("bb", "unused"));
  put("model.safetensors.index.json", index({ a: "model-1.safetensors", bb: "model-2.safetensors" }));
  for (const path of [folder, join(folder, "model.safetensors.index.json")]) {
    const checkpoint = await openCheckpoint(path);
    const tensors = checkpoint.groups[0]?.tensors ?? new Map();
    expect([...tensors.keys()]).toEqual(["a", "bb"]);
    for (const [name, item] of tensors) expect([...(await readTensor(checkpoint, item))]).toEqual([name.length]);
  }
});

test.each<[string, unknown, RegExp]>([
  ["a file elsewhere", "../x.safetensors", /not a file in this folder/],
  ["an absolute file", "/etc/x.safetensors", /not a file in this folder/],
  ["another kind of file", "x.bin", /not a file in this folder/],
  ["no name", 7, /not a file in this folder/],
  ["a missing file", "gone.safetensors", /cannot read/],
  ["a file without the tensor", "model-1.safetensors", /"bb" is missing/],
])("an index with %s is refused", async (_, place, message) => {
  put("model-1.safetensors", shard("a"));
  put("model.safetensors.index.json", index({ bb: place }));
  await expect(openCheckpoint(folder)).rejects.toThrow(message);
});

test.each([
  ["[]", /weight_map|not a JSON object/],
  ["{", /not valid JSON/],
  ["{}", /"weight_map" is missing/],
] as const)("the index %j is refused", async (content, message) => {
  put("model.safetensors.index.json", content);
  await expect(openCheckpoint(folder)).rejects.toThrow(message);
});

it("knows checkpoints by their first bytes", async () => {
  put("zip.bin", torchZip(dict({ w: tensor() })));
  put("old.bin", torchLegacy(dict({ w: tensor() })));
  put("pairs.bin", new Uint8Array(Buffer.from("\x80\x02]q\x00(U\x03abcU\x03abce.", "latin1")));
  const found = await Promise.all(["zip.bin", "old.bin", "pairs.bin"].map((name) => isCheckpoint(join(folder, name))));
  expect(found).toEqual([true, true, false]);
});

it("petalface inspect describes a training checkpoint; its control characters do not reach the terminal", async () => {
  const names = {
    "blocks.0.attn.relative_position_bias_table": tensor(),
    "patch_embed.proj.weight": tensor(),
    "evil\x1b[2J": tensor(),
  };
  put("c.pt", torchZip(dict({ epoch: int(7), state_dict: dict(names), head: dict({ w: tensor() }) })));
  const { document, text } = describeInspection(await inspect(join(folder, "c.pt")));
  expect(document).toMatchObject({
    kind: "checkpoint",
    format: "torch-zip",
    metadata: { epoch: 7 },
    families: [{ family: "swin" }],
  });
  expect(document.tensors).toContainEqual({ group: "head", name: "w", dtype: "float32", shape: [2, 2] });
  expect(text).toContain("a PyTorch checkpoint, 4 tensors with 16 numbers");
  expect(text).toContain("evil\\u001b[2J");
  expect(text).not.toContain("\x1b");
});
