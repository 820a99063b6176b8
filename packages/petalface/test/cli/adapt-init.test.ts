import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { petalface } from "./process.ts";

const people = "synthetic:people=4,images=2,seed=5";
const common = ["--lr-pixels", "4,6", "--epochs", "1", "--batch", "4", "--threads", "1"];
const folder = temporaryFolder("petalface-init-");

async function run(...args: string[]) {
  const { code, stdout, stderr } = await petalface(args, { cwd: folder });
  expect(code, `petalface ${args.join(" ")}\n${stderr}`).toBe(0);
  return stdout;
}
const adapt = (out: string, ...more: string[]) =>
  run("adapt", "--model", "tiny.onnx", "--train", people, ...common, ...more, "--out", out);
const configOf = async (place: string) =>
  JSON.parse(await readFile(join(folder, place, "adapter_config.json"), "utf8"));
const bytesOf = (place: string) => readFile(join(folder, place, "adapter_model.safetensors"));

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  await adapt("first", "--rank", "4", "--gate", "twin");
});

describe("adapt --init", () => {
  it("starts from the adapter's weights and takes its shape", async () => {
    // A rate of almost nothing leaves the weights where they started.
    await adapt("still", "--init", "first", "--lr", "1e-12", "--weight-decay", "0");
    const [first, still] = [await configOf("first/adapter"), await configOf("still/adapter")];
    for (const field of ["gate", "r", "lora_alpha", "target_modules"]) expect(still[field]).toEqual(first[field]);
    expect(await bytesOf("still/adapter")).toEqual(await bytesOf("first/adapter"));
    const record = JSON.parse(await readFile(join(folder, "still/run.json"), "utf8"));
    expect(record.init).toEqual({ given: "first", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    await adapt("moved", "--init", "first");
    expect(await bytesOf("moved/adapter")).not.toEqual(await bytesOf("first/adapter"));
  });

  it("refuses another shape, another model and a missing adapter", async () => {
    const fail = (...more: string[]) =>
      petalface(["adapt", "--model", "tiny.onnx", "--train", people, ...common, ...more, "--out", "no"], {
        cwd: folder,
      });
    expect(await fail("--init", "first", "--rank", "8")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("has another shape than the one to be trained"),
    });
    expect(await fail("--init", "nowhere")).toMatchObject({ code: 1, stderr: expect.stringContaining("nowhere") });
    await writeTinyBackbone(join(folder, "other.onnx"), 2);
    const other = ["--model", "other.onnx", "--train", people, ...common, "--init", "first", "--out", "no"];
    expect(await petalface(["adapt", ...other], { cwd: folder })).toMatchObject({ code: 1 });
  });
});

describe("merge-adapters", () => {
  it("writes a sum that other commands take, and names what does not fit", async () => {
    await adapt("second", "--rank", "4", "--gate", "twin", "--seed", "9");
    const sum = ["--model", "tiny.onnx", "--adapter", "first=0.5", "--adapter", "second=0.5"];
    const { code, stderr } = await petalface(["merge-adapters", ...sum, "--out", "no"], { cwd: folder });
    if (code !== 0) expect(stderr).toContain("--calibration-of");
    const json = await run("merge-adapters", ...sum, "--calibration-of", "1", "--out", "sum", "--json");
    expect(JSON.parse(json)).toMatchObject({ rank: 8, gate: "twin", adapters: [{ weight: 0.5 }, { weight: 0.5 }] });
    await run("embed", "--model", "tiny.onnx", "--adapter", "sum", "--images", people, "--out", "rows.npy");
    const wrong = await petalface(["merge-adapters", "--model", "tiny.onnx", "--adapter", "first", "--out", "x"], {
      cwd: folder,
    });
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining("such as runs/door=0.5, not first") });
  });
});

describe("cards", () => {
  it("adapt writes what was trained on what; export adds results and thresholds, and says what is not known", async () => {
    const card = await readFile(join(folder, "first/adapter/README.md"), "utf8");
    expect(card).toMatch(/^# Adapter for tiny/);
    for (const fact of ["8 images of 4 people", "gate twin, rank 4", "shrunk to 4, 6 px", "It was not measured during"])
      expect(card).toContain(fact);
    await run("export", "--model", "tiny.onnx", "--adapter", "first", "--out", "face.onnx", "--card", "face.md");
    const bare = await readFile(join(folder, "face.md"), "utf8");
    for (const fact of [
      "- File: face.onnx",
      "## Adapter for tiny",
      "Not measured: `petalface evaluate`",
      "Not measured: `petalface threshold`",
    ])
      expect(bare).toContain(fact);
    const measured = ["--model", "tiny.onnx", "--adapter", "first", "--data", "synthetic:people=30,images=2,seed=8"];
    await run("evaluate", ...measured, "--protocol", "drawn:pairs=40,folds=2", "--resamples", "20");
    await run("threshold", ...measured, "--far", "0.1", "--resamples", "20");
    await run("export", "--model", "tiny.onnx", "--adapter", "first", "--out", "face.onnx", "--card", "face.md");
    const full = await readFile(join(folder, "face.md"), "utf8");
    expect(full).toMatch(/\| accuracy[^|]* \| \d+\.\d ± \d+\.\d \| \d+\.\d ± \d+\.\d \|/);
    expect(full).toMatch(/false-accept rate 0\.1: cosine above/);
    expect(full).not.toContain("Not measured: ");
  });
});
