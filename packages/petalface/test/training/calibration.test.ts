import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { openBackbone } from "../../src/backbones/index.ts";
import { openData } from "../../src/data/index.ts";
import { openLoader } from "../../src/images/index.ts";
import { measureOf, photoCalibration } from "../../src/quality/index.ts";
import { fitCalibration } from "../../src/training/calibration.ts";
import { trainingOptions } from "../../src/training/index.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");

it.skipIf(!existsSync(shared))(
  "photos have the range that training on synthetic people takes for them, synthetic people another (needs PETALFACE_SHARED)",
  async () => {
    const sharpness = measureOf("sharpness");
    const backbone = await openBackbone(resolve(shared, "weights/mobilefacenet.onnx"));
    await using loader = openLoader({ size: backbone.size, threads: 1 });
    const fit = async (spec: string, calibration: "auto" | "fit") =>
      fitCalibration(
        backbone,
        await openData(spec),
        loader,
        trainingOptions({ calibration, seed: 5 }),
        { threads: 1 },
        sharpness,
      );
    const photos = photoCalibration(sharpness, backbone.size);
    const fitted = await fit(resolve(shared, "data/lfw112"), "auto");
    if (fitted.kind === "paper" || fitted.kind === "given") throw new Error("a range was asked for");
    expect(Math.abs(fitted.low - photos.low)).toBeLessThan(0.15);
    expect(Math.abs(fitted.high - photos.high)).toBeLessThan(0.15);
    const people = "synthetic:people=100,images=2";
    expect(await fit(people, "auto")).toEqual(photos);
    expect(await fit(people, "fit")).toSatisfy(({ high }) => high < photos.low);
  },
);
