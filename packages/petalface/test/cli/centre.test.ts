import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { adapt, type RunRecord, resume } from "../../src/training/index.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { petalface } from "./process.ts";

const train = "synthetic:people=4,images=2,seed=5";
const crops = "synthetic:people=24,images=1,seed=9";
const options = { lrPixels: [4, 6], epochs: 3, batch: 4, rank: 4, alphaRange: [90, 91], checkpointSeconds: 0 };
const folder = temporaryFolder("petalface-centred-");
const at = (name: string): string => join(folder, name);
const start = (out: string, camera: string | undefined, signal?: AbortSignal, onStep?: () => void) =>
  adapt({ model: at("tiny.onnx"), train, camera, options, out: at(out) }, { threads: 1, signal, onStep });
const weights = (place: string) => readFile(at(`${place}/adapter_model.safetensors`));

beforeAll(async () => {
  await writeTinyBackbone(at("tiny.onnx"));
  await start("plain", undefined);
  await start("camera", crops);
});

it("adapt --camera gives the adapter that centre makes of the trained one", async () => {
  const args = ["--model", "tiny.onnx", "--adapter", "plain", "--camera", crops, "--out", "centred"];
  const { code, stdout, stderr } = await petalface(["centre", ...args, "--threads", "1", "--json"], { cwd: folder });
  expect(code, stderr).toBe(0);
  const { shift, ...found } = JSON.parse(stdout);
  expect(found).toMatchObject({ out: "centred", adapter: "plain", camera: crops, crops: 24, low: 24 });
  expect(shift).toBeGreaterThan(0);
  expect(await weights("centred")).toEqual(await weights("camera/adapter"));
  expect(await weights("centred")).not.toEqual(await weights("plain/adapter"));
  const record: RunRecord = JSON.parse(await readFile(at("camera/run.json"), "utf8"));
  expect(record.camera).toEqual({ given: crops, fingerprint: expect.any(String), crops: 24 });
  expect(await readFile(at("camera/adapter/README.md"), "utf8")).toContain("Centred on 24 crops of a camera");
});

it("a stopped run that goes on is centred at its end", async () => {
  const controller = new AbortController();
  const { finished } = await start("stopped", crops, controller.signal, () => controller.abort());
  expect(finished).toBe(false);
  expect((await resume(at("stopped"), { threads: 1 })).finished).toBe(true);
  expect(await weights("stopped/adapter")).toEqual(await weights("camera/adapter"));
});

it("too few crops and an open gate are refused before training begins", async () => {
  const args = ["adapt", "--model", "tiny.onnx", "--train", train, "--out", "no", "--lr-pixels", "4,6"];
  const few = await petalface([...args, "--camera", "synthetic:people=5,images=1"], { cwd: folder });
  expect(few).toMatchObject({ code: 1, stderr: expect.stringContaining("5 crops of the camera; centring takes at") });
  const open = await petalface([...args, "--camera", crops, "--gate", "twin"], { cwd: folder });
  expect(open).toMatchObject({ code: 1, stderr: expect.stringContaining("this one has method lora, gate twin") });
});
