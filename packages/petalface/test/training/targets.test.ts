import { expect, it } from "vitest";
import { openBackbone } from "../../src/backbones/index.ts";
import { createTargetCache, openTargets } from "../../src/training/steps/targets.ts";
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
