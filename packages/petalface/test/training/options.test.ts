import { expect, it } from "vitest";
import { shrinkingRecipe, trainingOptions } from "../../src/training/index.ts";
import { adapterScale } from "../../src/training/options/options.ts";

it("has margins and rates that belong to the loss and the optimiser, unless they are given", () => {
  expect(trainingOptions()).toMatchObject({
    loss: "distil+anchors",
    margin: 0.4,
    learningRate: 1e-3,
    weightDecay: 0.05,
  });
  expect(trainingOptions({ loss: "arcface" }).margin).toBe(0.5);
  expect(trainingOptions({ loss: "distil+arcface", margin: 0.3 }).margin).toBe(0.3);
  expect(trainingOptions({ optimizer: "sgd" })).toMatchObject({ learningRate: 0.1, weightDecay: 5e-4, momentum: 0.9 });
  expect(trainingOptions({ optimizer: "sgd", learningRate: 0.5 }).learningRate).toBe(0.5);
  expect(trainingOptions({ method: "full" }).learningRate).toBe(1.25e-4);
  expect(trainingOptions({ method: "head" }).learningRate).toBe(5e-4);
});

it("reads what it wrote: a whole set of options gives itself", () => {
  const options = trainingOptions({ preset: "paper", loss: "arcface", optimizer: "sgd", rank: 8, rankStable: true });
  expect(trainingOptions(JSON.parse(JSON.stringify(options)))).toEqual(options);
});

it("trains each family as the released code does, unless an option is given", () => {
  const choices = { preset: "reference" } as const;
  expect(trainingOptions(choices)).toMatchObject({ gate: "twin", rank: 16, dropPath: 0.05, featureDropout: 0.25 });
  expect(trainingOptions(choices, "vit")).toMatchObject({ dropPath: 0.1, featureDropout: 0, tokenMasking: 0.1 });
  expect(trainingOptions({ ...choices, tokenMasking: 0 }, "vit").tokenMasking).toBe(0);
  expect(trainingOptions(choices, "iresnet")).toMatchObject({ gate: "single", sites: "all", loraInit: "normal" });
  expect(trainingOptions({ preset: "petal" }, "vit")).toEqual(trainingOptions());
});

it("lets a share of the steps replace a preset's warm-up in epochs", () => {
  expect(trainingOptions({ preset: "reference" })).toMatchObject({ warmupEpochs: 2 });
  expect(trainingOptions({ preset: "reference", warmup: 0.2 })).toMatchObject({ warmup: 0.2, warmupEpochs: 0 });
  const whole = trainingOptions({ preset: "reference" });
  expect(trainingOptions(JSON.parse(JSON.stringify(whole)))).toEqual(whole);
});

it("shrinks faces where only low resolutions are given", () => {
  expect(trainingOptions().degrade).toBe("any");
  expect(trainingOptions({ lrPixels: [8, 16] }).degrade).toBe("lr");
  expect(trainingOptions({ lrPixels: [8, 16], degrade: "phone" }).degrade).toBe("phone");
  expect(() => trainingOptions({ degrade: "fog" })).toThrow(/unknown degradation "fog".*cctv, phone, night, any/);
});

it("has the recipe of plain shrinking in one place", () => {
  const { rank, learningRate, batch, quality, degrade } = trainingOptions({ preset: "paper" });
  expect({ rank, learningRate, batch, quality, degrade, loss: "distil" }).toEqual(shrinkingRecipe);
});

it("takes alpha's range or the paper's threshold from the user", () => {
  expect(trainingOptions({ alphaRange: [4, 2] }).alphaRange).toEqual([4, 2]);
  expect(trainingOptions({ calibration: "paper", alphaThreshold: 0.4 }).alphaThreshold).toBe(0.4);
});

it.each([
  [{}, 1],
  [{ batch: 32 }, 4],
  [{ batch: 30 }, 5],
  [{ batch: 7 }, 1],
  [{ batch: 31 }, 1],
  [{ batch: 3 }, 1],
  [{ accumulate: 1 }, 1],
  [{ loss: "adaface" }, 1],
  [{ batchNorm: "train" }, 1],
  [{ preset: "reference" }, 8],
] as const)("cuts a batch into parts of four to eight images: %j", (choices, parts) => {
  expect(trainingOptions(choices).accumulate).toBe(parts);
});

it("divides the scale by the root of the rank on request", () => {
  expect(adapterScale(trainingOptions({ rank: 16, scale: 2 }))).toBe(2);
  expect(adapterScale(trainingOptions({ rank: 16, scale: 2, rankStable: true }))).toBe(0.5);
});

it.each([
  [{ accumulate: 3, batch: 32 }, "does not divide"],
  [{ dropout: 0.1, method: "full" }, "'method=lora' only"],
  [{ dropout: 1 }, "'dropout' is a number from 0 to 0.95"],
  [{ loss: "cosface", classesPerStep: 16, batch: 32 }, "every face needs its class"],
  [{ momentum: 1 }, "'momentum'"],
  [{ patience: -1 }, "'patience'"],
  [{ alphaRange: [1] }, "'alphaRange' is two different scores"],
  [{ alphaRange: [2, 2] }, "'alphaRange' is two different scores"],
  [{ alphaRange: [1, 2], calibration: "paper" }, "'alphaThreshold'"],
  [{ alphaThreshold: 0.5 }, "belongs to 'calibration=paper'"],
  [{ magnitudes: [110, 10] }, "'magnitudes' is two rising numbers"],
  [{ magnitudeMargins: [0.4] }, "'magnitudeMargins' is two rising numbers"],
  [{ lossFloor: 0.5 }, "'lossFloor'"],
  [{ outputDropout: 0.1, method: "full" }, "'outputDropout' needs adapters"],
  [{ loss: "adaface", batch: 8, accumulate: 8 }, "AdaFace takes statistics over the images of a part"],
  [{ batchNorm: "train", variants: 2 }, "depends on the batch"],
  [{ loraInit: "zeros" as "normal" }, "'loraInit' is one of"],
  [{ checkpointSeconds: Number.NaN }, "'checkpointSeconds'"],
  [{ scale: "2" as unknown as number }, "'scale' is a number"],
  [{ lrPixels: 8 as unknown as number[] }, "'lrPixels' is a list of numbers"],
  [{ clip: 0 }, "'clip' is a number above 0"],
  [{ rnak: 4 } as object, 'there is no training option "rnak"'],
] as const)("refuses %j", (choices, message) => {
  expect(() => trainingOptions(choices)).toThrow(message);
});

it("keeps the presets' values", () => {
  const differing = (preset: "paper" | "reference"): object => {
    const petal: Record<string, unknown> = trainingOptions();
    return Object.fromEntries(
      Object.entries(trainingOptions({ preset })).filter(([name, value]) => petal[name] !== value),
    );
  };
  const common = { gate: "twin", loss: "cosface", weightDecay: 0.1, decay: "polynomial" };
  const paper = { ...common, rank: 16, quality: "sharpness", degrade: "lr" };
  const steps = { batch: 32, accumulate: 4, epochs: 3, learningRate: 4e-3 };
  expect(differing("paper")).toEqual({ preset: "paper", ...paper, ...steps });
  expect(differing("reference")).toEqual({
    preset: "reference",
    ...paper,
    sites: "qkv,head",
    ungated: "head",
    loraInit: "trunc-normal",
    outputDropout: 0.1,
    batchNorm: "train",
    dropPath: 0.05,
    featureDropout: 0.25,
    arcGradient: "straight-through",
    lossFloor: 1e-30,
    calibration: "paper",
    classesPerStep: 1e6,
    centreFaces: 0,
    learningRate: 5e-4,
    warmupEpochs: 2,
    firstStep: "full",
    batch: 64,
    accumulate: 8,
    epochs: 40,
    dropLast: true,
    sharpShare: 1,
  });
});
