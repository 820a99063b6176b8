import { describe, expect, test } from "vitest";
import type { Embedder } from "../../src/backbones/index.ts";
import {
  evaluate,
  measureEmbeddings,
  protocolOfPairs,
  syntheticPairs,
  withoutDetail,
} from "../../src/evaluation/index.ts";
import type { ImageRequest } from "../../src/images/index.ts";
import { fakeData } from "./fixtures.ts";

const data = fakeData(30, 3);
const list = syntheticPairs(data, { pairs: 60, folds: 2, seed: 1 });
const protocol = protocolOfPairs(list, data);
const size = 2;

/** Pixels that say which face this is and how it was degraded. */
const loader = (seen: ImageRequest[] = []) => ({
  async load(requests: readonly ImageRequest[]) {
    seen.push(...requests);
    const out = new Uint8Array(requests.length * 3 * size * size);
    requests.forEach(({ source, degrade }, i) => {
      if (source.kind === "synthetic")
        out.set([source.person, source.image, degrade?.kind === "lr" ? degrade.pixels : 0], i * 3 * size * size);
    });
    return out;
  },
});

const face = (person: number, image: number, pixels: number) =>
  Array.from(
    { length: 4 },
    (_, k) =>
      Math.sin(person * (k + 1) * 1.7) + 0.3 * Math.sin(image + k) + (pixels / 20) * Math.cos(person + image * k),
  );

const embedder = (batches: number[] = []): Embedder => ({
  size,
  width: 4,
  batch: 7,
  async embed(pixels, count) {
    batches.push(count);
    const stride = 3 * size * size;
    const rows = Array.from(
      { length: count },
      (_, i) => [...pixels.subarray(i * stride, i * stride + 3)] as [number, number, number],
    );
    return {
      count,
      width: 4,
      data: Float32Array.from(rows.flatMap(([person, image, k]) => face(person, image, k))),
      alpha: Float32Array.from(rows, ([, , k]) => (k === 0 ? 1 : k / 112)),
    };
  },
  async close() {},
});

describe("evaluating a model", () => {
  test("embeds each image once a resolution, in batches, and measures what it embedded", async () => {
    const seen: ImageRequest[] = [];
    const batches: number[] = [];
    const progress: { done: number; total: number; degradation: string | null }[] = [];
    const result = await evaluate({
      model: embedder(batches),
      protocol,
      degradations: ["lr:16", "lr:8", "lr:16"],
      loader: loader(seen),
      bootstrap: { resamples: 50 },
      onProgress: (p) => progress.push(p),
    });
    const images = list.images.length;
    expect(seen).toHaveLength(3 * images);
    expect(new Set(seen.map((r) => JSON.stringify(r))).size).toBe(3 * images);
    expect(Math.max(...batches)).toBe(7);
    expect(batches.reduce((a, b) => a + b)).toBe(3 * images);
    expect(progress.at(-1)).toEqual({ done: 3 * images, total: 3 * images, degradation: "lr:8" });
    expect(progress.every((p, i) => i === 0 || p.done > (progress[i - 1]?.done ?? 0))).toBe(true);

    const at = (pixels: number) => {
      const rows = list.images.map(({ id }) => id.match(/\d+/g)?.map(Number) as [number, number]);
      return {
        width: 4,
        data: Float32Array.from(rows.flatMap(([person, image]) => face(person, image, pixels))),
        alpha: new Float32Array(images).fill(pixels === 0 ? 1 : pixels / 112),
      };
    };
    const expected = await measureEmbeddings(list, data, at(0), new Map([16, 8].map((k) => [`lr:${k}`, at(k)])), {
      bootstrap: { resamples: 50 },
    });
    expect(result).toEqual(expected);
    expect(withoutDetail(result)).toEqual(JSON.parse(JSON.stringify(withoutDetail(result))));
    expect(result.degradations).toEqual(["lr:16", "lr:8"]);
  });

  test("stops at an error of the loader, at an abort, and at missing images", async () => {
    const options = { model: embedder(), protocol, degradations: ["lr:16"], loader: loader() };
    const failing = {
      async load(): Promise<Uint8Array<ArrayBuffer>> {
        throw new Error("p3/1.png is no image");
      },
    };
    await expect(evaluate({ ...options, loader: failing })).rejects.toThrow(/p3\/1.png/);
    await expect(evaluate({ ...options, signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    expect(() => protocolOfPairs(list, fakeData(5, 2))).toThrow(/images are not in fake/);
  });
});
