import { join } from "node:path";
import { expect, it } from "vitest";
import { startNotes } from "../../src/cli/commands/adapt/training-notes.ts";
import { chosenMeasure, leastResolutionSize, sharpResolution } from "../../src/quality/index.ts";
import { adapt, mildestDraw, trainingOptions } from "../../src/training/index.ts";
import { tinySize, writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-small-inputs-");

it("takes effective resolution only where sharp faces have more of it than the best training face", () => {
  expect(chosenMeasure("auto", 112)).toBe("resolution");
  expect(chosenMeasure("auto", leastResolutionSize)).toBe("resolution");
  expect(chosenMeasure("auto", leastResolutionSize - 1)).toBe("sharpness");
  expect(chosenMeasure("resolution", 16)).toBe("resolution");
  expect(chosenMeasure("brisque:model=a,range=b", 16)).toBe("brisque:model=a,range=b");
  const sides = (["any", "lr"] as const).map((degrade) => {
    const draw = mildestDraw(trainingOptions({ degrade }));
    return draw.kind === "lr" ? draw.pixels : (draw.stages.find(({ name }) => name === "down")?.value ?? 0);
  });
  expect(Math.max(...sides)).toBeLessThan(sharpResolution(leastResolutionSize));
});

it("judges faces of a tiny network by sharpness, records that and says so", async () => {
  const model = join(folder, "tiny.onnx");
  await writeTinyBackbone(model);
  expect(tinySize).toBeLessThan(leastResolutionSize);
  const options = { lrPixels: [4, 6], rank: 4, sites: "all", epochs: 0.5, batch: 4 };
  const request = { model, train: "synthetic:people=6,images=2", options, out: join(folder, "run") };
  const { run } = await adapt(request, { threads: 1 });
  expect(run.options.quality).toBe("sharpness");
  expect(run.adapter.calibration.measure).toBe("sharpness");
  const note = /^alpha comes from sharpness: inputs below 56 px are too small/;
  expect(startNotes(run, { epochs: 0.5 })).toEqual([expect.stringMatching(note)]);
  expect(startNotes(run, { epochs: 0.5, quality: "sharpness" })).toEqual([]);
  const asked = { ...request, options: { ...options, preset: "paper" as const }, out: join(folder, "paper") };
  expect(startNotes((await adapt(asked, { threads: 1 })).run, { epochs: 0.5 })).toEqual([]);
});
