import { itemAt } from "onnx-grad";
import { expect, it } from "vitest";
import { openBackbone } from "../../src/backbones/index.ts";
import { createTargetCache, openTargets, targetRows } from "../../src/training/steps/targets.ts";
import { tinySize, tinyWidth } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";

const model = tinyModelIn(temporaryFolder("petalface-targets-"));

it("computes a target once, in whatever company it is asked for", async () => {
  const backbone = await openBackbone(model);
  const cache = createTargetCache(4, tinyWidth);
  const targets = openTargets(backbone, 4, { threads: 1 }, cache);
  const face = 3 * tinySize * tinySize;
  const pixels = Uint8Array.from({ length: 3 * face }, (_, at) => (at * 7919 + Math.floor(at / face) * 31) % 256);
  const sharp = (index: number) => ({ index, flip: false });
  const [first, second] = await targets.embed([sharp(0), sharp(1)], pixels.subarray(0, 2 * face));
  expect(first).not.toEqual(second);
  expect(Math.hypot(...(first ?? []))).toBeCloseTo(1, 6);
  // The pixels of a kept target are not looked at; those of the others are where they belong.
  const [third, kept] = await targets.embed([sharp(2), sharp(0)], pixels.subarray(face, 3 * face));
  expect(kept).toEqual(first);
  expect(third).toEqual(second);
  expect([...cache.known]).toEqual([1, 0, 1, 0, 1, 0, 0, 0]);
  await targets.close();
});

it("computes small sets on the CPU four at a time, with the targets of large ones", async () => {
  expect([1, 31, 32, 5000].map((length) => targetRows(length))).toEqual([4, 4, 8, 8]);
  expect(targetRows(1, "cuda")).toBe(8);
  const backbone = await openBackbone(model);
  const face = 3 * tinySize * tinySize;
  const pixels = Uint8Array.from({ length: 6 * face }, (_, at) => (at * 7919 + Math.floor(at / face) * 31) % 256);
  const faces = Array.from({ length: 6 }, (_, index) => ({ index, flip: false }));
  const units = async (length: number): Promise<number[]> => {
    const targets = openTargets(backbone, length, { threads: 1 });
    const found = await targets.embed(faces, pixels);
    await targets.close();
    return found.flatMap((unit) => [...unit]);
  };
  const [small, large] = [await units(6), await units(32)];
  expect(small).toHaveLength(6 * tinyWidth);
  expect(Math.max(...small.map((value, at) => Math.abs(value - itemAt(large, at))))).toBeLessThan(1e-6);
});
