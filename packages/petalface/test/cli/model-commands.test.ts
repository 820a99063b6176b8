import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { random } from "../../src/random.ts";
import { readSafetensors } from "../../src/tensors/index.ts";
import { tinySize, tinyWidth } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { ended, petalface, start } from "./process.ts";

const folder = temporaryFolder("petalface-Modelle-日本-");
const model = tinyModelIn(folder, "tiny model.onnx");
let faces: string;
let run: string;
const drawn = "drawn:pairs=40,folds=2,seed=3";
const synthetic = "synthetic:people=12,images=3,seed=5";

/** Runs a command that must succeed under --json, and returns its document. */
async function json<T>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await petalface([...args, "--json"]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

/** Pixels of one face of noise, RGB by pixel. */
function noise(name: string): Buffer {
  const draw = random(name);
  return Buffer.from(Array.from({ length: 3 * tinySize ** 2 }, () => draw.int(256)));
}

const names = ["Ärla/ü 1.png", "Ärla/2.png", 'b, "c"/3.png'];

beforeAll(async () => {
  faces = join(folder, "Gesichter");
  const raw = { width: tinySize, height: tinySize, channels: 3 } as const;
  for (const name of names) {
    await mkdir(join(faces, name, ".."), { recursive: true });
    await sharp(noise(name), { raw }).png().toFile(join(faces, name));
  }
  run = join(folder, "run");
  const options = ["--rank", "4", "--epochs", "2", "--batch", "12", "--lr-pixels", "4,6", "--threads", "1"];
  await json("adapt", "--model", model, "--train", synthetic, "--out", run, ...options);
});

/** The embedding straight from onnxruntime: the oracle of the commands that embed. */
async function embedDirectly(name: string): Promise<Float32Array> {
  const pixels = noise(name);
  const area = tinySize ** 2;
  const input = Float32Array.from({ length: 3 * area }, (_, i) => {
    const [channel, place] = [Math.floor(i / area), i % area];
    return (itemAt(pixels, 3 * place + channel) - 127.5) / 127.5;
  });
  const session = await InferenceSession.create(model);
  const results = await session.run({
    [itemAt(session.inputNames, 0)]: new Tensor("float32", input, [1, 3, tinySize, tinySize]),
  });
  return results[itemAt(session.outputNames, 0)]?.data as Float32Array;
}

describe("petalface embed", () => {
  test("writes .npy rows that are the model's embeddings, in the order that the CSV says", async () => {
    const out = join(folder, "e 1.npy");
    const document = await json("embed", "--model", model, "--images", faces, "--out", out);
    expect(document).toMatchObject({
      out,
      format: "npy",
      faces: 3,
      width: tinyWidth,
      adapted: false,
      model: "tiny model",
    });
    const bytes = await readFile(out);
    expect(bytes.subarray(0, 8).toString("latin1")).toBe("\x93NUMPY\x01\x00");
    const dataStart = 10 + bytes.readUInt16LE(8);
    expect(dataStart % 64).toBe(0);
    expect(bytes.subarray(10, dataStart).toString("latin1")).toMatch(
      /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(3, 6\), \} *\n$/,
    );
    expect(bytes.length).toBe(dataStart + 3 * tinyWidth * 4);
    const list = (await readFile(join(folder, "e 1.csv"), "utf8")).trimEnd().split("\n");
    expect(list[0]).toBe("row,id,person");
    expect(list).toContainEqual(expect.stringMatching(/^\d,Ärla\/ü 1\.png,Ärla$/));
    expect(list).toContainEqual(expect.stringMatching(/^\d,"b, ""c""\/3\.png","b, ""c"""$/));
    for (const name of names) {
      const row = list.findIndex((line) => line.replaceAll('""', '"').includes(name)) - 1;
      const expected = await embedDirectly(name);
      expected.forEach((value, i) => {
        expect(bytes.readFloatLE(dataStart + 4 * (row * tinyWidth + i))).toBeCloseTo(value, 4);
      });
    }
  });

  test("writes safetensors with alpha, and a frozen row wherever alpha is 1", async () => {
    const [frozen, adapted] = [join(folder, "f.safetensors"), join(folder, "a.safetensors")];
    await json("embed", "--model", model, "--images", synthetic, "--out", frozen);
    const document = await json("embed", "--model", model, "--adapter", run, "--images", synthetic, "--out", adapted);
    expect(document).toMatchObject({ adapted: true, faces: 36, adapter: run });
    const [before, after] = [await readSafetensors(frozen), await readSafetensors(adapted)];
    expect(after.metadata.get("model")).toBe("tiny model");
    const alpha = after.tensors.get("alpha")?.data as Float32Array;
    const rows = (file: typeof before) => file.tensors.get("embeddings")?.data as Float32Array;
    expect(alpha).toHaveLength(36);
    expect(rows(after)).toHaveLength(36 * tinyWidth);
    const closed = [...alpha.keys()].filter((face) => alpha[face] === 1);
    expect(closed.length).toBeGreaterThan(0);
    for (const face of closed) {
      const span = [face * tinyWidth, (face + 1) * tinyWidth] as const;
      expect(rows(after).subarray(...span)).toEqual(rows(before).subarray(...span));
    }
    expect(rows(after)).not.toEqual(rows(before));
  });

  test("leaves nothing behind when a face cannot be read, and names it", async () => {
    const broken = join(folder, "broken");
    await mkdir(broken);
    await writeFile(join(broken, "x.png"), "no image");
    const out = join(folder, "never.npy");
    const { code, stdout, stderr } = await petalface([
      "embed",
      "--model",
      model,
      "--images",
      broken,
      "--out",
      out,
      "--quiet",
    ]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/^petalface: .*x\.png is not a JPEG.*\n$/);
    expect((await readdir(folder)).filter((name) => name.startsWith("never"))).toEqual([]);
  });

  test("--fast gives the same embeddings up to rounding, and keeps its own apart from the exact ones", async () => {
    const env = { PETALFACE_CACHE: join(folder, "kept"), PETALFACE_CACHE_GB: "1" };
    const rowsOf = async (out: string, ...options: string[]) => {
      const command = ["embed", "--model", model, "--adapter", run, "--images", synthetic, "--out", join(folder, out)];
      const { code, stdout, stderr } = await petalface([...command, ...options, "--json"], { env });
      expect(code, stderr).toBe(0);
      const { tensors } = await readSafetensors(join(folder, out));
      return {
        kept: (JSON.parse(stdout) as { kept: number }).kept,
        rows: tensors.get("embeddings")?.data as Float32Array,
      };
    };
    const exact = await rowsOf("exact.safetensors", "--no-cache");
    const fast = await rowsOf("fast.safetensors", "--fast");
    expect(fast.kept).toBe(0);
    expect(fast.rows.length).toBe(exact.rows.length);
    const size = Math.hypot(...exact.rows) / Math.sqrt(exact.rows.length);
    expect(Math.max(...fast.rows.map((value, i) => Math.abs(value - itemAt(exact.rows, i))))).toBeLessThan(1e-5 * size);
    expect((await rowsOf("fast.safetensors", "--fast")).kept).toBe(fast.rows.length / tinyWidth);
    const kept = await rowsOf("exact.safetensors");
    expect(kept.rows).toEqual(exact.rows);
  });

  test("refuses other endings, a place within a file, and an adapter of another model", async () => {
    expect(await petalface(["embed", "--model", model, "--images", faces, "--out", "x.txt"])).toMatchObject({
      code: 2,
    });
    const within = await petalface(["embed", "--model", model, "--images", faces, "--out", join(model, "x.npy")]);
    expect(within).toMatchObject({ code: 1, stderr: expect.stringMatching(/^petalface: cannot write .*\n$/) });
    const other = join(folder, "other.onnx");
    const bytes = await readFile(model);
    bytes.write("TINY", bytes.indexOf("tiny"));
    await writeFile(other, bytes);
    const wrong = await petalface([
      "embed",
      "--model",
      other,
      "--adapter",
      run,
      "--images",
      faces,
      "--out",
      join(folder, "w.npy"),
    ]);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/was trained on tiny model .* not on/) });
  });

  test("Ctrl-C leaves nothing behind", async () => {
    const out = join(folder, "stopped.npy");
    const child = start(["embed", "--model", model, "--images", "synthetic:people=100000", "--out", out]);
    const end = ended(child);
    const begun = async (): Promise<boolean> =>
      child.exitCode !== null || (await readdir(folder)).some((name) => name.startsWith(".unfinished"));
    while (!(await begun())) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGINT");
    expect((await end).code).toBe(130);
    expect((await readdir(folder)).filter((name) => /^(stopped|\.unfinished)/.test(name))).toEqual([]);
  });
});

describe("petalface quality", () => {
  interface Document {
    metric: string;
    summary: { score: { min: number; max: number }; alpha: unknown };
    images: { id: string; score: number; alpha: number | null }[];
  }

  test("sharpness needs no model, and is the log variance of the Laplacian", async () => {
    const { metric, summary, images } = await json<Document>("quality", faces, "--size", String(tinySize));
    expect([metric, summary.alpha, images.length]).toEqual(["sharpness", null, 3]);
    const grey = (name: string): number[] => {
      const pixels = noise(name);
      return Array.from({ length: tinySize ** 2 }, (_, i) =>
        [0.299, 0.587, 0.114].reduce((sum, share, channel) => sum + share * itemAt(pixels, 3 * i + channel), 0),
      );
    };
    for (const { id, score, alpha } of images) {
      const at = (g: readonly number[], y: number, x: number): number => itemAt(g, y * tinySize + x);
      const g = grey(id);
      const values: number[] = [];
      for (let y = 1; y < tinySize - 1; y++)
        for (let x = 1; x < tinySize - 1; x++)
          values.push(at(g, y - 1, x) + at(g, y + 1, x) + at(g, y, x - 1) + at(g, y, x + 1) - 4 * at(g, y, x));
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      expect(score).toBeCloseTo(Math.log(variance), 3);
      expect(alpha).toBeNull();
    }
  });

  test("with an adapter, alpha is its calibration of the score", async () => {
    const config = JSON.parse(await readFile(join(run, "adapter", "adapter_config.json"), "utf8")) as {
      calibration: { low: number; high: number };
    };
    const { low, high } = config.calibration;
    const { images } = await json<Document>("quality", synthetic, "--model", model, "--adapter", run);
    expect(images).toHaveLength(36);
    for (const { score, alpha } of images)
      expect(alpha).toBeCloseTo(Math.min(1, Math.max(0, (score - low) / (high - low))), 4);
  });

  test("norm asks for the model, and lists the poorest face first", async () => {
    expect(await petalface(["quality", faces, "--metric", "norm"])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--metric norm uses the face recogniser: give --model/),
    });
    const { stdout } = await petalface(["quality", faces, "--metric", "norm", "--model", model]);
    const scores = [...stdout.matchAll(/^ +([\d.]+) {2}(?=Ärla|b,)/gm)].map((match) => Number(match[1]));
    expect(scores).toHaveLength(3);
    expect(scores).toEqual(scores.toSorted((a, b) => a - b));
    const expected = await Promise.all(names.map(async (name) => Math.hypot(...(await embedDirectly(name)))));
    expected.sort((a, b) => a - b);
    for (const [i, norm] of expected.entries()) expect(scores[i]).toBeCloseTo(norm, 2);
  });
});

describe("petalface evaluate and compare", () => {
  interface Result {
    measures: { key: string; value: number; low: number; high: number }[];
    identical?: { images: number };
  }

  test("measure frozen and adapted on the same pairs, and tell them apart from the run alone", async () => {
    const common = ["--model", model, "--protocol", drawn, "--data", synthetic, "--resamples", "50"];
    const both = await json<{ saved: string; frozen: Result; adapted: Result }>(
      ...["evaluate", ...common, "--adapter", run, "--degrade", "lr:6", "--degrade", "lr:4"],
    );
    expect(both.saved).toBe(join(run, "evaluation"));
    const keys = both.frozen.measures.map(({ key }) => key);
    for (const key of ["accuracy/sharp", "accuracy/lr:6", "accuracy/mixed:4", "rank1/mixed:6"])
      expect(keys).toContain(key);
    expect(both.adapted.identical?.images).toBeGreaterThan(0);

    const html = await readFile(join(run, "report.html"), "utf8");
    expect(html).toMatch(/^<!doctype html>/);
    const pictures = html.match(/<div><img src="data:image\/jpeg;base64,[^>]*>/g) ?? [];
    const ofPairs = pictures.filter((picture) => picture.includes('alt="pair, '));
    // Six people, each sharp and at two resolutions; and both faces of every hardest pair.
    expect(pictures.length - ofPairs.length).toBe(18);
    expect(ofPairs.length).toBe(2 * (html.match(/<div class="pair">/g) ?? []).length);
    expect(ofPairs.length).toBeGreaterThan(0);

    const alone = await json<{ saved: null; frozen: Result; adapted: null }>(
      "evaluate",
      ...common,
      "--degrade",
      "none",
    );
    expect([alone.saved, alone.adapted]).toEqual([null, null]);
    const sharp = alone.frozen.measures.find(({ key }) => key === "accuracy/sharp");
    expect(sharp).toEqual(both.frozen.measures.find(({ key }) => key === "accuracy/sharp"));
    expect(alone.frozen.measures.every(({ key }) => key.endsWith("/sharp"))).toBe(true);

    const pasted = await petalface(["evaluate", ...common, "--degrade", "none", "--format", "csv"]);
    expect(pasted.stdout).toMatch(/^measure,model,value,low,high,standard_error,count\naccuracy\/sharp,frozen,/);
    expect(pasted.stdout).toContain(`accuracy/sharp,frozen,${sharp?.value},`);
    const lost = await petalface(["evaluate", ...common, "--degrade", "none", "--views", "4"]);
    expect(lost).toMatchObject({ code: 2, stderr: expect.stringContaining("--report") });

    const compared = await json<{
      comparisons: { a: string; b: string; differences: { key: string; value: number }[] }[];
    }>("compare", run);
    const value = (result: Result, key: string): number => result.measures.find((m) => m.key === key)?.value as number;
    const [comparison] = compared.comparisons;
    expect([comparison?.a, comparison?.b, compared.comparisons.length]).toEqual(["frozen", "run", 1]);
    for (const { key, value: difference } of comparison?.differences ?? [])
      expect(difference, key).toBeCloseTo(value(both.adapted, key) - value(both.frozen, key), 10);

    const itself = await petalface(["compare", run, join(run, "evaluation", "adapted.json")]);
    expect(itself.code).toBe(0);
    expect(itself.stdout).toMatch(/accuracy as given +0\.00 \(.*the same +-$/m);
    expect(itself.stdout).not.toMatch(/better +|worse +/m);

    // The same recipe under another seed is another run of one method; another rank is another
    // method.
    const [twin, wide] = [join(folder, "second"), join(folder, "wide")];
    for (const [place, change] of [
      [twin, { seed: 99 }],
      [wide, { rank: 2 }],
    ] as const) {
      await cp(run, place, { recursive: true });
      const record = JSON.parse(await readFile(join(place, "run.json"), "utf8"));
      await writeFile(
        join(place, "run.json"),
        JSON.stringify({ ...record, options: { ...record.options, ...change } }),
      );
    }
    const page = join(folder, "compare.html");
    interface Grouped {
      comparisons: { a: string; b: string; runs: number[]; differences: { p: number; corrected: number }[] }[];
    }
    const grouped = await json<Grouped>("compare", wide, run, twin, "--report", page);
    expect(grouped.comparisons).toMatchObject([{ a: "wide", b: "run (2 runs)", runs: [1, 2] }]);
    for (const { p, corrected } of grouped.comparisons[0]?.differences ?? [])
      expect(corrected).toBeGreaterThanOrEqual(p);
    const apart = await json<Grouped>("compare", wide, run, twin, "--no-seeds");
    expect(apart.comparisons.map(({ b }) => b)).toEqual(["run", "second"]);
    expect(await readFile(page, "utf8")).toContain("run (2 runs)");
    expect(await petalface(["compare", run, twin])).toMatchObject({ code: 2, stderr: /--no-seeds/ });

    const [csv, md, latex] = await Promise.all(
      ["csv", "md", "latex"].map((format) => petalface(["compare", wide, run, "--format", format])),
    );
    const lines = (csv?.stdout ?? "").trim().split("\n");
    expect(lines[0]).toBe(
      "measure,model,against,difference,low,high,standard_error,p,p_holm,verdict,people_needed,people",
    );
    expect(lines[1]).toMatch(/^accuracy\/sharp,run,wide,0,0,0,0,1,1,the same,,\d+$/);
    expect(md?.stdout).toMatch(
      /^\| % \| wide \| run \|\n\| --- \| ---: \| ---: \|\n\| accuracy as given \| [\d.]+ ± [\d.]+ \|/,
    );
    expect(latex?.stdout).toMatch(/accuracy as given & [\d.]+ \$\\pm\$ [\d.]+ & .*\\\\\n/);
  });

  test("say what is wrong with a protocol, its data or the results", async () => {
    const fails = async (args: readonly string[], code: number, pattern: RegExp): Promise<void> =>
      expect(await petalface(args)).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(pattern) });
    const evaluate = (protocol: string, data: string): string[] => [
      "evaluate",
      "--model",
      model,
      "--protocol",
      protocol,
      "--data",
      data,
    ];
    await fails(evaluate("drawn:pears=3", synthetic), 2, /unknown option "pears=3"/);
    await fails([...evaluate(drawn, synthetic), "--folds", "1,x"], 2, /--folds 1,x is not understood/);
    await fails([...evaluate(drawn, synthetic), "--folds", "1,2"], 2, /with drawn pairs write drawn:folds=K/);
    await fails(evaluate(drawn, faces), 1, /people with two images or more/);
    await fails(evaluate(join(folder, "none.txt"), faces), 1, /none\.txt.*cannot be read/);
    const pairs = join(folder, "pairs.csv");
    await writeFile(
      pairs,
      "path1,path2,same\nx/1.png,x/2.png,1\nx/1.png,y/1.png,0\nx/2.png,y/1.png,0\ny/1.png,y/2.png,1\n",
    );
    await fails(evaluate(pairs, faces), 1, /images are not in .*Gesichter/);
    await fails(["compare", faces, run], 1, /holds no results: run `petalface evaluate --adapter/);
    await fails(["compare", model, run], 1, /is not a result of petalface evaluate/);
  });
});

describe("petalface inspect", () => {
  test("of a model lists the layers and which are adapted by default", async () => {
    const document = await json<{
      kind: string;
      sites: { op: string; default: boolean; inputs: number; outputs: number }[];
    }>("inspect", model);
    expect(document).toMatchObject({ kind: "model", size: tinySize, width: tinyWidth, name: "tiny model" });
    expect(document.sites.map(({ op, inputs, outputs, default: adapted }) => [op, inputs, outputs, adapted])).toEqual([
      ["Conv", 3, 8, false],
      ["Conv", 8, 12, false],
      ["Conv", 12, 8, true],
      ["Conv", 8, 8, true],
      ["Gemm", 128, 6, false],
    ]);
    const { stdout } = await petalface(["inspect", model]);
    expect(stdout).toMatch(/^tiny model: a face recogniser, 16 x 16 RGB -> 6 numbers$/m);
    expect(stdout).toMatch(/^LAYER +OPERATOR +IN +OUT +WEIGHTS +ROWS +ADAPTED$/m);
  });

  test("tells runs, adapters, data, tensors and results apart", async () => {
    const kinds: [string, string][] = [
      [run, "run"],
      [join(run, "adapter"), "adapter"],
      [join(run, "adapter", "adapter_model.safetensors"), "tensors"],
      [faces, "data"],
      ["synthetic:people=3", "data"],
    ];
    for (const [thing, kind] of kinds) expect(await json("inspect", thing), thing).toMatchObject({ kind });
    expect(await json("inspect", faces)).toMatchObject({
      faces: 3,
      people: 2,
      facesPerPerson: { least: 1, median: 2, most: 2 },
      looked: 3,
      problems: [],
    });
  });

  test("of a data set with a bad photo says which", async () => {
    const bad = join(folder, "bad photos");
    await mkdir(bad);
    await writeFile(join(bad, "ruined.jpg"), Buffer.from([0xff, 0xd8, 0xff, 0, 1, 2]));
    const { problems } = await json<{ problems: string[] }>("inspect", bad);
    expect(problems).toEqual([expect.stringMatching(/ruined\.jpg/)]);
  });

  test("of an exported model says what it was made from, and what else it takes", async () => {
    const [judging, told] = [join(folder, "judging.onnx"), join(folder, "told.onnx")];
    await json("export", "--model", model, "--adapter", run, "--out", judging);
    const metadata = { "petalface.mean": "127.5,127.5,127.5", "petalface.gate": "low" };
    expect(await json("inspect", judging)).toMatchObject({ kind: "model", width: tinyWidth, metadata });
    await json("export", "--model", model, "--adapter", run, "--out", told, "--alpha", "input");
    const document = await json<{ inputs: unknown[]; why: string }>("inspect", told);
    expect(document).toMatchObject({ kind: "onnx", metadata, why: expect.stringMatching(/2 inputs/) });
    expect(document.inputs).toHaveLength(2);
  });

  test("of nothing says what it takes", async () => {
    const { code, stderr } = await petalface(["inspect", join(folder, "nothing")]);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^petalface: there is no ".*nothing": give a model, a checkpoint, a run, an adapter, a data set or a result\n$/,
    );
  });
});
