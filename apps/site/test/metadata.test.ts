import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readModel } from "onnx-grad";
import { exportModel } from "petalface";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeTinyBackbone } from "../../../packages/petalface/test/support/backbone.ts";
import { metadataOf } from "../try/metadata.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "petalface-metadata-"));
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  await exportModel({ model: join(folder, "tiny.onnx"), out: join(folder, "face.onnx") });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it("reads the metadata that onnx-grad reads", async () => {
  const path = join(folder, "face.onnx");
  const found = metadataOf(await readFile(path));
  expect(found).toEqual(new Map((await readModel(path)).metadata));
  expect(found.size).toBeGreaterThan(2);
});

it("refuses what is cut off or no model", async () => {
  const bytes = await readFile(join(folder, "face.onnx"));
  expect(() => metadataOf(bytes.subarray(0, bytes.length / 2))).toThrow("cut off");
  expect(() => metadataOf(new TextEncoder().encode("<html>"))).toThrow("no ONNX model");
});
