import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { meanOverPeople } from "../../src/api/adapt/cosine.ts";
import { openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { openData } from "../../src/data/index.ts";
import { openLoader } from "../../src/images/index.ts";
import { tinySize, tinyWidth } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";
import { petalface } from "./process.ts";

const folder = temporaryFolder("petalface-cosine-");
const model = tinyModelIn(folder);

const faces = "synthetic:people=10,images=2,seed=9";
const adapt = (out: string, ...more: string[]) =>
  petalface([
    ...["adapt", "--model", model, "--train", "synthetic:people=12,images=3", "--out", out, "--rank", "4"],
    ...["--epochs", "4", "--batch", "12", "--lr-pixels", "4,6", "--threads", "1", "--val-pixels", "6,4", ...more],
  ]);

/** Mean cosine of the frozen model: embeddings straight from it, faces one by one. */
async function frozenCosine(sides = [6, 4]): Promise<number> {
  const data = await openData(faces);
  const embedder = await openEmbedder(await openBackbone(model), { threads: 1, batch: 1 });
  await using loader = openLoader({ size: tinySize, threads: 0 });
  const embed = async (index: number, pixels?: number): Promise<Float32Array> => {
    const degrade = pixels === undefined ? undefined : ({ kind: "lr", pixels } as const);
    const planes = await loader.load([{ source: data.at(index).source, flip: false, degrade }]);
    return (await embedder.embed(planes, 1)).data.slice();
  };
  const cosines: number[] = [];
  for (let index = 0; index < data.length; index++)
    for (const pixels of sides) {
      const [a, b] = [await embed(index), await embed(index, pixels)];
      const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, v, k) => sum + v * y[k], 0);
      cosines.push(dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b)));
    }
  await embedder.close();
  expect(cosines).toHaveLength(sides.length * 20);
  return cosines.reduce((sum, value) => sum + value, 0) / cosines.length;
}

test("--val cosine begins at the frozen model's mean cosine, keeps the best adapter, and needs no identities", async () => {
  const out = join(folder, "run");
  const { code, stderr } = await adapt(out, "--val", "cosine", "--val-data", faces);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain("mean cosine (x 100) of faces at 6, 4 px to their own frozen embedding");
  const lines = (await readFile(join(out, "metrics.jsonl"), "utf8")).trim().split("\n");
  const values = lines.map((line) => JSON.parse(line)).filter((record) => "validation" in record);
  expect(tinyWidth).toBe(6);
  expect(values[0].step).toBe(0);
  expect(values[0].validation.value).toBeCloseTo(await frozenCosine(), 4);
  for (const side of [6, 4]) {
    const part = values[0].validation.parts[`${side} px`];
    expect(part).toBeCloseTo(await frozenCosine([side]), 4);
    expect(stderr).toContain(`${side} px ${(100 * part).toFixed(2)}`);
  }
  expect(values[0].validation.standardError).toBeGreaterThan(0);
  const best = Math.max(...values.map(({ validation }) => validation.value));
  expect(best).toBeGreaterThan(values[0].validation.value);
  const { result } = JSON.parse(await readFile(join(out, "run.json"), "utf8"));
  expect(result.best.value).toBe(best);
});

test("--val cosine without faces is wrong usage", async () => {
  const { code, stderr } = await adapt(join(folder, "never"), "--val", "cosine");
  expect(code).toBe(2);
  expect(stderr).toMatch(/--val cosine needs faces that training does not use; give them with --val-data/);
});

test("the error of a mean is over people, and over faces where these are unknown", () => {
  const values = [0.1, 0.3, 0.6, 0.8];
  const alone = meanOverPeople(values, [-1, -1, -1, -1]);
  expect(alone.value).toBeCloseTo(0.45, 12);
  // The textbook's: sample deviation over the root of the count.
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - 0.45) ** 2, 0) / 3);
  expect(alone.standardError).toBeCloseTo(deviation / 2, 12);
  // Two people of two faces each: the same as their means, 0.2 and 0.7.
  const people = meanOverPeople(values, [0, 0, 1, 1]);
  expect(people.standardError).toBeCloseTo(Math.sqrt(((0.2 - 0.45) ** 2 + (0.7 - 0.45) ** 2) / 1 / 2), 12);
});
