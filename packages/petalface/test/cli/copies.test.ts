import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { openData } from "../../src/data/index.ts";
import { embedEnrolled } from "../../src/embeddings/index.ts";
import { openLoader } from "../../src/images/index.ts";
import { copyTemplates } from "../../src/matching/index.ts";
import { readSafetensors } from "../../src/tensors/index.ts";
import { tinySize, tinyWidth } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-Kopien-日本-");
const model = tinyModelIn(folder);
let run: string;
const faces = "synthetic:people=12,images=3,seed=5";
const count = 36;

beforeAll(async () => {
  run = join(folder, "run");
  const options = ["--rank", "4", "--epochs", "1", "--batch", "12", "--lr-pixels", "4,6", "--threads", "1"];
  const { code, stderr } = await petalface(["adapt", "--model", model, "--train", faces, "--out", run, ...options]);
  expect(code, stderr).toBe(0);
});

/** Runs a command that must succeed under --json, and returns its document. */
async function json(...args: readonly string[]) {
  const { code, stdout, stderr } = await petalface([...args, "--threads", "1", "--json"]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

/** Photos at unit length and sums of their copies, from the library. */
async function enrolled() {
  const backbone = await openBackbone(model);
  const data = await openData(faces);
  const embedder = await openEmbedder(backbone, { threads: 1 });
  await using loader = openLoader({ size: tinySize, threads: 0 });
  const [sharp, copies] = [new Float32Array(count * tinyWidth), new Float32Array(count * tinyWidth)];
  const request = (index: number) => ({ source: data.at(index).source, flip: false });
  for await (const part of embedEnrolled(count, request, { sizes: [8, 4] }, { embedder, loader })) {
    sharp.set(part.sharp, part.start * tinyWidth);
    copies.set(part.copies, part.start * tinyWidth);
  }
  await embedder.close();
  return { width: tinyWidth, sharp, copies };
}

describe("petalface evaluate --gallery-kept", () => {
  const how = [
    "evaluate",
    "--model",
    model,
    "--protocol",
    "drawn:pairs=40,folds=2",
    "--data",
    faces,
    "--resamples",
    "5",
  ];

  test("compares the adapter's probes with the frozen model's gallery", async () => {
    const { frozen, adapted } = await json(...how, "--adapter", run, "--degrade", "lr:6", "--gallery-kept");
    const value = (result: { measures: { key: string; value: number }[] }, key: string) =>
      result.measures.find((measure) => measure.key === key)?.value;
    for (const [plain, kept] of [
      ["rank1/sharp", "rank1/named:as given, gallery kept"],
      ["rank1/mixed:6", "rank1/named:6, gallery kept"],
      ["accuracy/mixed:6", "accuracy/named:mixed 6, gallery kept"],
    ] as const) {
      expect(value(frozen, kept)).toBe(value(frozen, plain));
      expect(value(adapted, kept)).toBeGreaterThanOrEqual(0);
    }
  });

  test("is refused without an adapter", async () => {
    const { code, stderr } = await petalface([...how, "--gallery-kept"]);
    expect(code).toBe(2);
    expect(stderr).toContain("--gallery-kept compares an adapter's probes with the frozen model's gallery");
  });
});

describe("petalface embed --copies", () => {
  test("writes templates, and with a weight that follows alpha photo and copies apart", async () => {
    const expected = await enrolled();
    const [npy, apart] = [join(folder, "templates.npy"), join(folder, "apart.safetensors")];
    const how = ["embed", "--model", model, "--images", faces, "--copies", "8,4"];
    const document = await json(...how, "--copy-weight", "0.5", "--out", npy);
    expect(document).toMatchObject({ faces: count, width: tinyWidth, copies: "8,4", copy_weight: "0.5" });
    const bytes = await readFile(npy);
    expect(bytes.toString("latin1")).toContain(`'shape': (${count}, ${tinyWidth})`);
    const start = 10 + bytes.readUInt16LE(8);
    copyTemplates(expected, 0.5).forEach((value, i) => {
      expect(bytes.readFloatLE(start + 4 * i)).toBeCloseTo(value, 5);
    });

    await json(...how, "--copy-weight", "alpha", "--out", apart);
    const { tensors, metadata } = await readSafetensors(apart);
    const rows = tensors.get("embeddings");
    expect(rows?.shape).toEqual([count, 2, tinyWidth]);
    expect(metadata.get("copy_weight")).toBe("alpha");
    const numbers = rows?.data as Float32Array;
    for (let i = 0; i < count * tinyWidth; i++) {
      const [face, k] = [Math.floor(i / tinyWidth), i % tinyWidth];
      expect(numbers[2 * face * tinyWidth + k]).toBeCloseTo(expected.sharp[i], 5);
      expect(numbers[(2 * face + 1) * tinyWidth + k]).toBeCloseTo(expected.copies[i], 5);
    }
  });
});

describe("petalface evaluate --gallery-copies", () => {
  const pairs = [
    "--protocol",
    "drawn:pairs=40,folds=2,seed=3",
    "--data",
    faces,
    "--degrade",
    "lr:6",
    "--resamples",
    "20",
  ];
  const keysOf = ({ measures }: { measures: { key: string }[] }): string[] => measures.map(({ key }) => key);

  test("measures copies in addition to the plain gallery, by a fixed weight, or by alpha with an adapter", async () => {
    const plain = await json("evaluate", "--model", model, ...pairs);
    const fixed = await json("evaluate", "--model", model, ...pairs, "--gallery-copies", "8,4");
    expect(fixed.frozen.copies).toEqual({ sizes: [8, 4], weight: 0.25 });
    expect(keysOf(fixed.frozen)).toEqual(
      expect.arrayContaining(["rank1/named:6, copies", "rank1/named:as given, copies", "auc/named:mixed 6, copies"]),
    );
    const isPlain = ({ key }: { key: string }): boolean => !key.endsWith(", copies");
    expect(fixed.frozen.measures.filter(isPlain)).toEqual(plain.frozen.measures);

    const out = join(folder, "results");
    const both = await json(
      ...["evaluate", "--model", model, "--adapter", run, ...pairs, "--gallery-copies", "8,4"],
      ...["--out", out, "--report", join(out, "page.html")],
    );
    expect([both.frozen.copies.weight, both.adapted.copies.weight]).toEqual(["alpha", "alpha"]);
    expect(both.frozen.measures.filter(isPlain)).toEqual(plain.frozen.measures);
    expect(keysOf(both.adapted)).toContain("rank1/named:6, copies");
    const page = await readFile(join(out, "page.html"), "utf8");
    expect(page).toContain("8, 4 px, weight alpha");
    expect(page).toContain("6, copies");
  });

  test.each([
    [["--gallery-copies", "16"], /size 16 is not smaller than the model's input of 16 px/],
    [["--gallery-copies", "8,8"], /size 8 is given twice/],
    [["--gallery-copies", "8;4"], /Write sizes in pixels as in 16,12/],
    [["--gallery-copies", "8", "--copy-weight", "11"], /a weight is a number from 0 to 10, or alpha, not 11/],
    [["--gallery-copies", "8", "--copy-weight", "much"], /Write a number such as 0.25, or alpha/],
    [["--gallery-copies", "8", "--copy-weight", "alpha"], /--copy-weight alpha needs an adapter/],
    [["--copy-weight", "0.5"], /--copy-weight weighs the copies of --gallery-copies/],
  ])("%j is wrong usage, in one line", async (wrong, message) => {
    const { code, stdout, stderr } = await petalface(["evaluate", "--model", model, ...pairs, ...wrong]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n").length).toBe(1);
  });
});

test.each([
  [["--copies", "16"], /size 16 is not smaller than the model's input of 16 px/],
  [["--copies", "8,8"], /size 8 is given twice/],
  [["--copies", "8;4"], /Write sizes in pixels as in 16,12/],
  [["--copies", "8", "--copy-weight", "11"], /a weight is a number from 0 to 10, or alpha, not 11/],
  [["--copies", "8", "--copy-weight", "much"], /Write a number such as 0.25, or alpha/],
  [["--copy-weight", "0.5"], /--copy-weight weighs the copies of --copies/],
])("%j is wrong usage, in one line, and nothing is written", async (wrong, message) => {
  const out = join(folder, "never.npy");
  const { code, stdout, stderr } = await petalface([
    ...["embed", "--model", model, "--images", faces, "--out", out],
    ...wrong,
  ]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(message);
  expect(stderr.trim().split("\n").length).toBe(1);
  await expect(readFile(out)).rejects.toThrow(/ENOENT/);
});
