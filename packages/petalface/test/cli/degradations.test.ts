import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import sharp from "sharp";
import { expect, test } from "vitest";
import { isUnfinished } from "../../src/files.ts";
import { degrade, drawDegradation, drawFace, openFaceSpace, parseDegradation } from "../../src/images/index.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { petalface } from "./process.ts";

const spec = "down=4-7:any,noise=0-6,jpeg=40-80,up=any";
const faces = "synthetic:people=12,images=3";

const folder = temporaryFolder("petalface-degradations-");
const model = tinyModelIn(folder);

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await petalface([...args, "--json"]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

test("degrade draws a contact sheet whose first draw is what the copies are, every pixel", async () => {
  const [copies, sheet] = [join(folder, "copies"), join(folder, "sheet.png")];
  const set = "synthetic:people=3,images=1,seed=4";
  const result = await json<{ degradation: string; shown: { id: string; draws: unknown[] }[] }>(
    ...["degrade", set, copies, "--to", spec, "--size", "32", "--sheet", sheet],
  );
  expect(result.degradation).toBe(spec);
  expect(result.shown.map(({ id }) => id)).toEqual(["0/0", "1/0", "2/0"]);
  const { data, info } = await sharp(sheet).raw().toBuffer({ resolveWithObject: true });
  // Three faces, each sharp and seven times drawn, four pixels between all.
  expect([info.width, info.height]).toEqual([8 * 36 + 4, 3 * 36 + 4]);
  const cell = (row: number, column: number): number[] =>
    Array.from({ length: 32 * 32 * 3 }, (_, at) => {
      const [x, y] = [4 + 36 * column + (Math.floor(at / 3) % 32), 4 + 36 * row + Math.floor(at / 96)];
      return itemAt(data, (y * info.width + x) * 3 + (at % 3));
    });
  const space = await openFaceSpace();
  for (const [row, { id, draws }] of result.shown.entries()) {
    const face = drawFace(space, { seed: 4, person: row, image: 0 }, 32);
    expect(cell(row, 0)).toEqual([...face.data]);
    expect(draws[0]).toEqual(drawDegradation(parseDegradation(spec), id));
    const copy = await sharp(join(copies, `${id}.png`))
      .raw()
      .toBuffer();
    expect([...copy]).toEqual([...degrade(face, drawDegradation(parseDegradation(spec), id)).data]);
    expect(cell(row, 1)).toEqual([...copy]);
    expect(new Set(draws.map((draw) => JSON.stringify(draw))).size).toBe(7);
  }
  expect((await readdir(folder)).filter(isUnfinished)).toEqual([]);
});

test("adapt trains on a camera, says so in its run, and evaluate measures under it, the same every time", async () => {
  const run = join(folder, "run");
  const common = ["--model", model];
  const record = await json<{ options: { degrade: string } }>(
    ...["adapt", ...common, "--train", faces, "--out", run, "--rank", "4", "--epochs", "2", "--batch", "12"],
    ...["--calibration", "fit", "--degrade", spec, "--threads", "1"],
  );
  expect(record.options.degrade).toBe(spec);
  const evaluate = (threads: string) =>
    json<{ adapted: { degradations: string[]; measures: { key: string; value: number }[] } }>(
      ...["evaluate", ...common, "--adapter", run, "--protocol", "drawn:pairs=40,folds=2", "--data", faces],
      ...["--degrade", ` ${spec}`, "--degrade", "lr:6", "--resamples", "20", "--threads", threads],
    );
  const [one, two] = [await evaluate("1"), await evaluate("2")];
  expect(one.adapted.degradations).toEqual([spec, "lr:6"]);
  expect(one.adapted.measures.map(({ key }) => key)).toEqual(
    expect.arrayContaining([`accuracy/lr:${spec}`, `rank1/mixed:${spec}`, "accuracy/mixed:6"]),
  );
  expect(two).toEqual(one);
  const report = await readFile(join(run, "report.html"), "utf8");
  expect(report).toContain(spec);
});

test("adapt refuses two answers to one question, and a degradation that is none", async () => {
  const start = ["adapt", "--model", model, "--train", faces, "--out", join(folder, "never")];
  const both = await petalface([...start, "--degrade", "lr:8", "--lr-pixels", "8"]);
  expect([both.code, both.stderr]).toEqual([2, expect.stringMatching(/--lr-pixels.*cannot be used with.*--degrade/)]);
  const none = await petalface([...start, "--degrade", "fog=3"]);
  expect([none.code, none.stderr]).toEqual([2, expect.stringMatching(/unknown degradation "fog=3".*down, blur/)]);
  expect(await readdir(folder)).not.toContain("never");
});

test("adapt keeps what frozen layers make of variants on disk while it runs, and says how long it waited", async () => {
  const run = join(folder, "variants");
  const options = ["--rank", "4", "--epochs", "6", "--batch", "12", "--sites", "linear", "--threads", "1"];
  const start = ["adapt", "--model", model, "--train", faces, "--calibration", "fit", "--lr-pixels", "4,6", ...options];
  const record = await json<{ options: { variants: number }; waiting: number }>(
    ...[...start, "--out", run, "--variants", "2", "--prefix-cache", "1M"],
  );
  expect(record.options.variants).toBe(2);
  expect(record.waiting).toBeGreaterThanOrEqual(0);
  expect(record.waiting).toBeLessThanOrEqual(1);
  expect((await readdir(run)).toSorted()).toEqual(["adapter", "checkpoint", "metrics.jsonl", "run.json"]);
  const wrong = await petalface([...start, "--out", join(folder, "never"), "--prefix-cache", "12"]);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/--prefix-cache.*such as 500M, or off/)]);
});

test("degrade --fit prints a spec that --to takes, and draws crops next to simulated ones", async () => {
  const [crops, sheet] = [join(folder, "crops"), join(folder, "fitted.png")];
  await json("degrade", "synthetic:people=40,images=1,seed=6", crops, "--to", "jitter=0-6,down=10-14,noise=0-6,grey=1");
  type Fitted = { degradation: string; fit: { distance: number; presets: Record<string, number>; crops: number } };
  const fitted = await json<Fitted>("degrade", "synthetic:people=5,images=1", "--fit", crops, "--sheet", sheet);
  expect(fitted.degradation).toMatch(/^jitter=0-6,gamma=.*down=.*grey=1/);
  expect(parseDegradation(fitted.degradation).kind).toBe("camera");
  expect(fitted.fit.crops).toBe(40);
  expect(fitted.fit.distance).toBeLessThan(Math.min(...Object.values(fitted.fit.presets)));
  const { info } = await sharp(sheet).raw().toBuffer({ resolveWithObject: true });
  // Two blocks of five columns and eight rows, forty pixels between them.
  expect([info.width, info.height]).toEqual([2 * (5 * 116 + 4) + 40, 8 * 116 + 4]);
  const both = await petalface(["degrade", faces, "--fit", crops, "--to", "lr:8"]);
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining("give --to SPEC, or --fit CROPS") });
  const few = await petalface(["degrade", faces, "--fit", "synthetic:people=5,images=1"]);
  expect(few).toMatchObject({ code: 1, stderr: expect.stringContaining("5 crops of the camera") });
});
