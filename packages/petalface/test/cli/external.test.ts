import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { random } from "../../src/random.ts";
import { tinySize, tinyWidth } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-external-");
const model = tinyModelIn(folder);
let run: string;
const people = 4;
const images = 3;
/** Scores from 0, the poorest, to 100. */
const scoreOf = (person: number, image: number): number => 10 * person + 30 * image;

/** Writes the manifest with these scores; the same faces always. */
async function manifest(name: string, score: (person: number, image: number) => string | number): Promise<string> {
  const lines = Array.from({ length: people * images }, (_, i) => {
    const [person, image] = [Math.floor(i / images), i % images];
    return `face${i}.png,p${person},${score(person, image)}`;
  });
  await writeFile(join(folder, name), `path,person,quality\n${lines.join("\n")}\n`);
  return join(folder, name);
}

beforeAll(async () => {
  const stream = random("external", 1);
  for (let face = 0; face < people * images; face++) {
    const data = Uint8Array.from({ length: 3 * tinySize ** 2 }, () => Math.floor(256 * stream.uniform()));
    const raw = { width: tinySize, height: tinySize, channels: 3 } as const;
    await sharp(data, { raw })
      .png()
      .toFile(join(folder, `face${face}.png`));
  }
  run = join(folder, "run");
  const train = await manifest("faces.csv", scoreOf);
  const { code, stderr } = await petalface([
    ...["adapt", "--model", model, "--train", train, "--aligned", "yes", "--out", run, "--rank", "4", "--sites", "all"],
    ...["--quality", "external", "--alpha-range", "20,60", "--epochs", "20", "--batch", "4", "--lr-pixels", "4,6"],
    ...["--lr", "0.02", "--threads", "1"],
  ]);
  expect(code, stderr).toBe(0);
});

const withModel = (command: string): string[] => [command, "--model", model, "--adapter", run, "--threads", "1"];

describe("--quality external", () => {
  it("trains with the manifest's scores, degraded copies at alpha 0", async () => {
    const record = JSON.parse(await readFile(join(run, "run.json"), "utf8")) as {
      adapter: { calibration: unknown };
      data: { scores: string };
    };
    expect(record.adapter.calibration).toEqual({ measure: "external", low: 20, high: 60 });
    expect(record.data.scores).toMatch(/^[0-9a-f]{64}$/);
    const alphas = (await readFile(join(run, "metrics.jsonl"), "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { alpha: number }).alpha);
    // Four faces a step, each with alpha 0, 0.25, 0.5, 0.75 or 1: what the manifest says, and
    // nothing that pixels could.
    expect(alphas.every((alpha) => Number.isInteger(16 * alpha))).toBe(true);
    expect(new Set(alphas).size).toBeGreaterThan(2);
  });

  it("embeds with the score of each face, and exports it as a second input with the calibration inside", async () => {
    const out = join(folder, "rows.npy");
    const data = join(folder, "faces.csv");
    const embedded = await petalface([...withModel("embed"), "--images", data, "--out", out, "--no-cache"]);
    expect(embedded.code, embedded.stderr).toBe(0);
    const lines = (await readFile(join(folder, "rows.csv"), "utf8")).trimEnd().split("\n").slice(1);
    const alphas = lines.map((line) => Number(line.split(",").at(-1)));
    const expected = Array.from({ length: people * images }, (_, i) => {
      const score = scoreOf(Math.floor(i / images), i % images);
      return Math.min(1, Math.max(0, (score - 20) / 40));
    });
    alphas.forEach((alpha, i) => {
      expect(alpha).toBeCloseTo(itemAt(expected, i), 6);
    });
    const file = join(folder, "face.onnx");
    const exported = await petalface(["export", "--model", model, "--adapter", run, "--out", file, "--json"]);
    expect(exported.code, exported.stderr).toBe(0);
    expect(JSON.parse(exported.stdout)).toMatchObject({ alpha: "quality", quality: "quality" });
    const rows = await readFile(out);
    const npy = new Float32Array(rows.buffer.slice(rows.byteOffset + rows.length - 4 * 12 * tinyWidth));
    const session = await InferenceSession.create(file);
    expect(session.inputNames).toHaveLength(2);
    const [image = ""] = session.inputNames;
    for (const face of [0, 4, 11]) {
      const pixels = await sharp(join(folder, `face${face}.png`))
        .removeAlpha()
        .raw()
        .toBuffer();
      // The tiny backbone takes (x - 127.5) / 127.5, planes of R, G, B.
      const planes = Float32Array.from({ length: pixels.length }, (_, at) => {
        const [channel, pixel] = [Math.floor(at / tinySize ** 2), at % tinySize ** 2];
        return (itemAt(pixels, 3 * pixel + channel) - 127.5) / 127.5;
      });
      const score = Float32Array.of(scoreOf(Math.floor(face / images), face % images));
      const result = await session.run({
        [image]: new Tensor("float32", planes, [1, 3, tinySize, tinySize]),
        quality: new Tensor("float32", score, [1]),
      });
      const found = result[itemAt(session.outputNames, 0)]?.data as Float32Array;
      found.forEach((value, at) => {
        expect(value).toBeCloseTo(itemAt(npy, face * tinyWidth + at), 5);
      });
    }
    await session.release();
  });

  it("evaluates with the scores of the faces, alpha 0 for degraded copies", async () => {
    const { code, stdout, stderr } = await petalface([
      ...[...withModel("evaluate"), "--data", join(folder, "faces.csv"), "--protocol", "drawn:pairs=8,folds=2"],
      ...["--degrade", "lr:6", "--resamples", "10", "--bins", "quality", "--no-cache", "--json"],
    ]);
    expect(code, stderr).toBe(0);
    const { adapted } = JSON.parse(stdout) as { adapted: { identical: { images: number } } };
    // Those with a score of 60 and more have alpha 1, where the adapted model is the frozen one.
    expect(adapted.identical.images).toBeGreaterThan(0.2);
    expect(adapted.identical.images).toBeLessThan(0.8);
    const judged = await petalface([...withModel("quality"), join(folder, "faces.csv"), "--json"]);
    expect(judged.code, judged.stderr).toBe(0);
    expect(JSON.parse(judged.stdout)).toMatchObject({ summary: { alpha: { min: 0, max: 1 } } });
  });

  it("wants a score for each face, in one line, and refuses what it cannot do", async () => {
    const holes = await manifest("holes.csv", (person, image) => (image === 1 ? "" : scoreOf(person, image)));
    const adapt = ["adapt", "--model", model, "--aligned", "yes", "--quality", "external", "--threads", "1"];
    const out = join(folder, "none");
    const levels = [
      ...["export", "--model", model, "--adapter", run],
      "--out",
      join(folder, "levels"),
      "--levels",
      "3",
    ];
    const refused: [string[], RegExp][] = [
      [[...adapt, "--train", holes, "--out", out], /4 of 12 faces of .*holes.csv have none, the first is face1.png/],
      [[...adapt, "--train", holes, "--out", out, "--calibration", "paper"], /give --sharp-share 1, or --alpha-range/],
      [[...withModel("embed"), "--images", holes, "--out", join(folder, "x.npy")], /face1.png has no quality score/],
      [
        [...withModel("embed"), "--images", holes, "--out", join(folder, "holes.npy")],
        /holes.csv is what this command reads/,
      ],
      [levels, /alpha comes from a score that you have already/],
      [[...levels.slice(0, -2), "--precision", "fp16"], /alpha must be computed inside or fixed/],
    ];
    for (const [args, message] of refused) {
      const { code, stdout, stderr } = await petalface(args);
      expect([code, stdout], args.join(" ")).toSatisfy(([exit, text]) => exit !== 0 && text === "");
      expect(stderr.trimEnd().split("\n").at(-1)).toMatch(message);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
    await manifest("faces.csv", () => 7);
    const resumed = await petalface(["adapt", "--resume", run]);
    expect(resumed.stderr).toMatch(/the column quality of .* is not that which/);
    await manifest("faces.csv", scoreOf);
  });
});
