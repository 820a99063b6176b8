import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newRunOptions } from "../../src/api/adapt/known-options.ts";
import {
  adapt,
  audit,
  compare,
  embed,
  embedToFile,
  evaluate,
  exportModel,
  openModel,
  type ProgressEvent,
  resume,
} from "../../src/api/index.ts";
import type { FaceInMemory } from "../../src/data/index.ts";
import { openData } from "../../src/data/index.ts";
import { openLoader, type Pixels } from "../../src/images/index.ts";
import { readSafetensors } from "../../src/tensors/index.ts";
import { optionEntries } from "../../src/training/index.ts";
import { petalface } from "../cli/process.ts";
import { tinySize, tinyWidth, writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const faces = "synthetic:people=6,images=3,seed=4";
const small = { batch: 6, epochs: 1, sites: "all", lrPixels: [4, 6], threads: 1 } as const;

/** The synthetic faces at the tiny network's size, as somebody else would have them in memory. */
async function inMemory(
  size = tinySize,
): Promise<{ readonly pixels: Pixels; readonly person: string; readonly id: string }[]> {
  const data = await openData(faces);
  await using loader = openLoader({ size, threads: 0 });
  const all = Array.from({ length: data.length }, (_, index) => data.at(index));
  const planes = await loader.load(all.map(({ source }) => ({ source, flip: false })));
  const area = size * size;
  return all.map(({ id, person }, face) => {
    const rgb = new Uint8Array(3 * area);
    for (let i = 0; i < area; i++)
      for (let channel = 0; channel < 3; channel++) rgb[3 * i + channel] = planes[(3 * face + channel) * area + i] ?? 0;
    return { pixels: { width: size, height: size, data: rgb }, person: data.people[person] ?? "", id };
  });
}

describe("the library", () => {
  const folder = temporaryFolder("petalface-api-");
  let model: string;
  let run: string;
  const progress: ProgressEvent[] = [];

  beforeAll(async () => {
    process.env.PETALFACE_CACHE = join(folder, "cache");
    model = join(folder, "tiny.onnx");
    run = join(folder, "run");
    await writeTinyBackbone(model);
    const trained = await adapt({
      ...small,
      model,
      train: faces,
      out: run,
      epochs: 2,
      learningRate: 0.02,
      onProgress: (event) => progress.push(event),
    });
    expect(trained).toMatchObject({ finished: true, folder: run });
  });
  afterAll(async () => {
    delete process.env.PETALFACE_CACHE;
  });

  test("adapt says how far it is, from 0 to all images", () => {
    const training = progress.filter(({ task }) => task === "training");
    expect(training[0]).toMatchObject({ done: 0, total: 36, unit: "images" });
    expect(training.at(-1)).toMatchObject({ done: 36, detail: expect.stringMatching(/^loss \d/) });
  });

  test("embed gives what the command line writes, and the same of an opened model", async () => {
    const out = join(folder, "faces.npy");
    const flags = ["--model", model, "--adapter", run, "--images", faces, "--out", out, "--threads", "1"];
    expect(await petalface(["embed", ...flags], { env: { PETALFACE_CACHE: join(folder, "cache") } })).toMatchObject({
      code: 0,
    });
    const file = await readFile(out);
    const start = 10 + file.readUInt16LE(8);
    const written = new Float32Array(file.buffer.slice(file.byteOffset + start, file.byteOffset + file.length));
    const direct = await embed({ model, adapter: run, images: faces, threads: 1, cache: false });
    expect(direct).toMatchObject({ count: 18, width: tinyWidth, leftOut: { count: 0 } });
    expect(direct.embeddings).toEqual(written);
    expect(direct.ids[4]).toBe((await openData(faces)).at(4).id);
    await using opened = await openModel({ model, adapter: run, threads: 1 });
    const again = await embed({ model: opened, images: faces, cache: false });
    expect(again.embeddings).toEqual(direct.embeddings);
    expect(again.alpha).toEqual(direct.alpha);
    expect(again.alpha?.every((alpha) => alpha >= 0 && alpha <= 1)).toBe(true);
  });

  test("embed enrols with copies, and embedToFile writes the same", async () => {
    const how = { model, images: faces, threads: 1, cache: false };
    const templates = await embed({ ...how, copies: { sizes: [8, 4] } });
    expect(templates).toMatchObject({ count: 18, vectors: 1, width: tinyWidth });
    const apart = await embed({ ...how, copies: { sizes: [8, 4], weight: "alpha" } });
    expect(apart).toMatchObject({ count: 18, vectors: 2, width: tinyWidth });
    for (let face = 0; face < 18; face++) {
      const [photo, copies] = [0, 1].map((at) =>
        apart.embeddings.subarray((2 * face + at) * tinyWidth, (2 * face + at + 1) * tinyWidth),
      ) as [Float32Array, Float32Array];
      const sum = photo.map((value, k) => value + 0.25 * copies[k]);
      const length = Math.hypot(...sum);
      templates.embeddings
        .subarray(face * tinyWidth, (face + 1) * tinyWidth)
        .forEach((value, k) => void expect(value).toBeCloseTo(sum[k] / length, 5));
    }
    const out = join(folder, "templates.safetensors");
    const file = await embedToFile({ ...how, copies: { sizes: [8, 4] }, out });
    expect(file).toMatchObject({ faces: 18, width: tinyWidth, adapted: false, metadata: { copies: "8,4" } });
    const { tensors } = await readSafetensors(out);
    expect(tensors.get("embeddings")?.data).toEqual(templates.embeddings);
    expect((await readFile(file.list, "utf8")).split("\n")[1]).toMatch(/^0,/);
    await expect(embed({ ...how, copies: { sizes: [99] } })).rejects.toThrow(/size 99 is not smaller/);
  });

  test("audit finds copies, wrong names and shared people", async () => {
    const data = (await inMemory()).map(({ pixels, person, id }) => ({ image: pixels, person, id }));
    const again = data.slice(0, 2).map((face, at) => ({ ...face, id: `again ${at}`, person: "somebody else" }));
    const { findings, leftOut } = await audit({ data: [...data, ...again], against: data.slice(3), model });
    expect(leftOut).toMatchObject({ count: 0, tried: 20 + 15 });
    const groups = findings.exact.map(({ faces: members }) => members.map(({ id }) => id));
    expect(groups).toContainEqual([data[0]?.id, "again 0"]);
    expect(findings.exact.some(({ people }) => people)).toBe(true);
    expect(findings.shared?.names).toContain(data[3]?.person);
    expect((await audit({ data })).findings).toMatchObject({ exact: [], outliers: null, shared: null });
  });

  test("faces in memory give the bits of the same faces from their spec", async () => {
    const images = (await inMemory()).map(({ pixels }) => pixels);
    const memory = await embed({ model, images, threads: 1, cache: false });
    const spec = await embed({ model, images: faces, threads: 2, cache: false });
    expect(memory.embeddings).toEqual(spec.embeddings);
    expect(memory.alpha).toBeUndefined();
    expect(memory.ids.slice(0, 2)).toEqual(["0", "1"]);
    expect(memory.people[0]).toBeUndefined();
  });

  test("what cannot be read in memory is named by its number, and left out where it may be", async () => {
    const images: FaceInMemory[] = (await inMemory()).map(({ pixels, person, id }) => ({ image: pixels, person, id }));
    images[3] = new Uint8Array([1, 2, 3]);
    const notes: string[] = [];
    const result = await embed({ model, images, cache: false, onNote: (line) => notes.push(line) });
    expect(result.count).toBe(17);
    expect(result.leftOut).toMatchObject({ count: 1, first: [expect.stringContaining("face 3 of the list")] });
    expect(notes.join()).toContain("1 of 18 images cannot be read");
    const two = [images[3], images[3], ...images.slice(4, 8)] as FaceInMemory[];
    await expect(embed({ model, images: two, mostLeftOut: 0, cache: false })).rejects.toThrow(/2 of the 6 images/);
    await expect(embed({ model, images: [] })).rejects.toThrow("no faces in the list");
    const twice = ["a", "a"].map((id) => ({ image: new Uint8Array(9), id }));
    await expect(embed({ model, images: twice })).rejects.toThrow('the id "a"');
  });

  test("training on faces in memory has the same bits when it is stopped and resumed", async () => {
    const train = (await inMemory(112)).map(({ pixels, person, id }) => ({ image: pixels, person, id }));
    const shrunk = (await inMemory()).map(({ pixels, person, id }) => ({ image: pixels, person, id }));
    const out = join(folder, "memory");
    const controller = new AbortController();
    const stopped = await adapt({
      ...small,
      model,
      train: shrunk,
      out,
      signal: controller.signal,
      calibration: "fit",
      onStep: ({ step }) => step === 1 && controller.abort(),
    });
    expect(stopped.finished).toBe(false);
    await expect(resume({ run: out })).rejects.toThrow("give them again as 'train'");
    await expect(resume({ run: out, train })).rejects.toThrow("is not the data");
    const resumed = await resume({ run: out, train: shrunk, threads: 1 });
    expect(resumed.finished).toBe(true);
    const whole = await adapt({ ...small, model, train: shrunk, out: join(folder, "whole"), calibration: "fit" });
    expect(resumed.adapter.theta).toEqual(whole.adapter.theta);
    expect(whole.adapter.theta.some((value) => value !== 0)).toBe(true);
  });

  test("evaluate measures frozen and adapted on the same faces, and compare says which is better", async () => {
    const out = join(folder, "results");
    const options = {
      model,
      adapter: run,
      protocol: "drawn:pairs=60,folds=3",
      data: faces,
      resamples: 100,
      threads: 1,
    };
    const { frozen, adapted } = await evaluate({ ...options, degradations: ["lr:6"], out });
    expect(frozen.degradations).toEqual(["lr:6"]);
    expect(adapted?.protocol.fingerprint).toBe(frozen.protocol.fingerprint);
    expect((await readdir(out)).sort()).toEqual([".petalface.sha256", "adapted.json", "frozen.json"]);
    const fromFiles = await compare({ results: [out], resamples: 100 });
    if (adapted === undefined) throw new Error("nothing was adapted");
    const results = [
      { name: "frozen", result: frozen },
      { name: "adapted", result: adapted },
    ];
    const inHand = await compare({ results, resamples: 100 });
    expect(inHand.comparisons).toHaveLength(1);
    expect(inHand.comparisons[0]?.comparison.differences).toEqual(fromFiles.comparisons[0]?.comparison.differences);
    await expect(compare({ results: results.slice(0, 1) })).rejects.toThrow("two results are needed");
  });

  test("evaluate without an adapter measures the frozen model alone, at 16 px unless told otherwise", async () => {
    const data = (await inMemory()).map(({ pixels, person, id }) => ({ image: pixels, person, id }));
    const { frozen, adapted } = await evaluate({ model, protocol: "drawn:pairs=20,folds=2", data, resamples: 10 });
    expect(adapted).toBeUndefined();
    expect(frozen.degradations).toEqual(["lr:16"]);
    const galleryCopies = { sizes: [8], weight: "alpha" } as const;
    await expect(evaluate({ model, protocol: "drawn:pairs=20,folds=2", data, galleryCopies })).rejects.toThrow(
      /alpha need an adapter/,
    );
    const task = { model, protocol: "drawn:pairs=20,folds=2", data, resamples: 10, degradations: ["none"] };
    const enrolled = await evaluate({ ...task, galleryCopies: { sizes: [8] } });
    expect(enrolled.frozen.copies).toEqual({ sizes: [8], weight: 0.25 });
    expect(enrolled.frozen.measures.map(({ key }) => key)).toContainEqual(expect.stringMatching(/, copies$/));
  });

  test("exportModel writes the file that gives embed's embeddings", async () => {
    const out = join(folder, "face.onnx");
    const written = await exportModel({ model, adapter: run, out });
    expect(written).toMatchObject({ file: out, alpha: "quality", precision: "fp32", loss: null, width: tinyWidth });
    const session = await InferenceSession.create(out);
    const [face] = await inMemory();
    if (face === undefined) throw new Error("no face");
    const area = tinySize * tinySize;
    const planes = Float32Array.from({ length: 3 * area }, (_, i) => {
      const [channel, at] = [Math.floor(i / area), i % area];
      return ((face.pixels.data[3 * at + channel] ?? 0) - 127.5) / 127.5;
    });
    const results = await session.run({
      [written.input ?? ""]: new Tensor("float32", planes, [1, 3, tinySize, tinySize]),
    });
    const { embeddings } = await embed({ model, adapter: run, images: [face.pixels], cache: false });
    const found = results[written.output ?? ""]?.data as Float32Array;
    for (const [i, value] of embeddings.entries()) expect(found[i]).toBeCloseTo(value, 4);
    await expect(exportModel({ model, out: join(folder, "x.onnx"), alpha: 1 })).rejects.toThrow("'adapter'");
  });

  test("a signal ends every call with its reason, and nothing is half-written", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await mkdir(join(folder, "stopped"));
    const out = join(folder, "stopped", "face.onnx");
    await expect(embed({ model, images: faces, signal, cache: false })).rejects.toThrow("enough");
    await expect(exportModel({ model, adapter: run, out, precision: "fp16", signal })).rejects.toThrow("enough");
    const protocol = "drawn:pairs=20,folds=2";
    await expect(evaluate({ model, protocol, data: faces, signal, cache: false })).rejects.toThrow("enough");
    expect(await readdir(join(folder, "stopped"))).toEqual([]);
  });

  test("an option that nobody reads is refused, so that a misspelt one does not train for hours", async () => {
    const misspelt = { ...small, model, train: faces, out: join(folder, "misspelt"), learningrate: 1 };
    await expect(adapt(misspelt)).rejects.toThrow('unknown option "learningrate"');
    const change = { run, epochs: 3, batch: 3 };
    await expect(resume(change)).rejects.toThrow('unknown option "batch"');
  });

  test("no option of training has the name of another option of adapt", () => {
    expect(optionEntries.map(([name]) => name).filter((name) => newRunOptions.has(name))).toEqual([]);
  });
});
