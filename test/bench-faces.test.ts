import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Embedder } from "petalface/backbones";
import { openBackbone } from "petalface/backbones";
import { openData } from "petalface/data";
import { afterAll, beforeAll, expect, it } from "vitest";
import { switched } from "../bench/faces/forms.ts";
import { openGallery, openTargetFile } from "../bench/faces/kept.ts";
import { askedOf, readRecord, recipeOf } from "../bench/faces/recipe.ts";
import { type Job, trainJob } from "../bench/faces/run.ts";
import { writeTinyBackbone } from "../packages/petalface/test/support/backbone.ts";

const folder = await mkdtemp(join(tmpdir(), "petalface-bench-faces-"));
const model = join(folder, "tiny.onnx");
beforeAll(() => writeTinyBackbone(model));
afterAll(() => rm(folder, { recursive: true, force: true }));

const train = "synthetic:people=6,images=1,seed=5";
const options = { preset: "petal", sites: "all", rank: 4, batch: 4, degrade: "lr", lrPixels: [6] } as const;

/** A job that trains the tiny network, and counts its steps. */
const jobOf = (name: string, choices: Partial<Job> = {}) => {
  const steps: number[] = [];
  const job: Job = {
    contender: { name, options, train },
    ...{ model, seed: 0, images: 12, folds: [6], threads: 1, folder: join(folder, name) },
    frozen: join(folder, "kept"),
    onStep: () => steps.push(1),
    ...choices,
  };
  return { job, steps };
};

it("trains once for the same recipe, and again for another", async () => {
  const first = jobOf("a");
  const done = await trainJob(first.job);
  expect([first.steps.length, done.trained > 0]).toEqual([3, true]);
  const second = jobOf("a");
  expect(await trainJob(second.job)).toMatchObject(done);
  expect(second.steps).toHaveLength(0);
  const other = jobOf("a", { options: { learningRate: 3e-3 } });
  await trainJob(other.job);
  expect(other.steps).toHaveLength(3);
});

it("knows a training from before an option was added", async () => {
  const file = join(folder, "record.json");
  const { job } = jobOf("record");
  const { upRate, ...before } = (JSON.parse(recipeOf(job)) as { options: Record<string, unknown> }).options;
  const earlier = JSON.stringify({ ...JSON.parse(recipeOf(job)), options: before });
  const asked = (recipe: string) => JSON.stringify([recipe, ...(JSON.parse(askedOf(job)) as string[]).slice(1)]);
  await writeFile(file, JSON.stringify({ asked: asked(earlier), seconds: 1, trained: upRate }));
  expect(await readRecord(file, askedOf(job))).toMatchObject({ seconds: 1 });
  expect(await readRecord(file, askedOf({ ...job, options: { upRate: 16 } }))).toBeUndefined();
  expect(await readRecord(file, askedOf({ ...job, folds: [1] }))).toBeUndefined();
  expect(await readRecord(file, askedOf({ ...job, options: { learningRate: 3e-3 } }))).toBeUndefined();
});

it("reads the training of another job, and none of another recipe", async () => {
  const lora = jobOf("lora");
  const { trained } = await trainJob(lora.job);
  const reading = { folder: join(folder, "nam"), source: lora.job.folder };
  expect(await trainJob(jobOf("nam", reading).job)).toMatchObject({ trained });
  await expect(trainJob(jobOf("nam", { ...reading, seed: 1 }).job)).rejects.toThrow("is not there");
});

it("keeps targets and galleries of the frozen network for other processes", async () => {
  const backbone = await openBackbone(model);
  const data = await openData(train);
  const place = join(folder, "files");
  const first = await openTargetFile(place, backbone, data);
  expect(first.cache.known.some((value) => value === 1)).toBe(false);
  first.cache.rows.fill(0.5, backbone.width, 2 * backbone.width);
  first.cache.known[1] = 1;
  await first.save();
  const { cache } = await openTargetFile(place, backbone, data);
  expect([...cache.known]).toEqual([...first.cache.known]);
  expect(cache.rows).toEqual(first.cache.rows);

  const rows = (value: number) => ({
    ...{ count: 2, width: backbone.width },
    read: async (_: number, count: number) => new Float32Array(count * backbone.width).fill(value),
  });
  const empty = await openGallery(place, backbone, data);
  expect(empty.isEmpty).toBe(true);
  expect(await empty.keep(rows(1)).read(0, 1)).toEqual(await rows(1).read(0, 1));
  await empty.save();
  const kept = await openGallery(place, backbone, data);
  expect([kept.isEmpty, await kept.keep(rows(2)).read(1, 1)]).toEqual([false, await rows(1).read(0, 1)]);
});

it("sends faces that are judged sharp to the frozen network, bit for bit", async () => {
  const network = (value: number, alpha?: readonly number[]): Embedder => ({
    ...{ size: 4, width: 2, batch: 3 },
    embed: async (_, count) => ({
      ...{ count, width: 2, data: new Float32Array(2 * count).fill(value) },
      ...(alpha && { alpha: Float32Array.from(alpha) }),
    }),
    close: async () => {},
  });
  const both = switched(network(1), network(2, [0, 1, 0.999]));
  expect([...(await both.embed(new Uint8Array(0), 3)).data]).toEqual([2, 2, 1, 1, 2, 2]);
  await expect(switched(network(1), network(2)).embed(new Uint8Array(0), 3)).rejects.toThrow("does not judge");
});
