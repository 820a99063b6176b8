import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { openBackbone } from "../../src/backbones/index.ts";
import { openData, subset } from "../../src/data/index.ts";
import { type Loader, openLoader } from "../../src/images/index.ts";
import { type LinearCalibration, measureOf, photoCalibration } from "../../src/quality/index.ts";
import { trainingOptions } from "../../src/training/index.ts";
import { fitCalibration } from "../../src/training/run/calibration.ts";

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
        trainingOptions({ calibration, seed: 5, degrade: "lr" }),
        { threads: 1 },
        sharpness,
      );
    const photos = photoCalibration(sharpness, backbone.size);
    const { calibration: fitted, set } = await fit(resolve(shared, "data/lfw112"), "auto");
    if (fitted.kind === "paper" || fitted.kind === "given") throw new Error("a range was asked for");
    expect(set).toMatchObject({ kind: "sharp", faces: 512 });
    expect(Math.abs(fitted.low - photos.low)).toBeLessThan(0.15);
    expect(Math.abs(fitted.high - photos.high)).toBeLessThan(0.15);
    const people = "synthetic:people=100,images=2";
    expect(await fit(people, "auto")).toEqual({ calibration: photos });
    expect((await fit(people, "fit")).calibration).toSatisfy(({ high }) => high < photos.low);
  },
);

it.skipIf(!existsSync(shared))(
  "notices blurred photos among sharp ones and fits the range on the sharp ones, whatever the measure (needs PETALFACE_SHARED)",
  async () => {
    const backbone = await openBackbone(resolve(shared, "weights/mobilefacenet.onnx"));
    const all = await openData(resolve(shared, "data/lfw112"));
    const few = subset(
      all,
      Array.from({ length: 150 }, (_, i) => 80 * i),
    );
    await using loader = openLoader({ size: backbone.size, threads: 1 });
    /** As if every face that this is true of were stored at this low resolution. */
    const stored = (pixels: number, blurred: (face: number) => boolean): Loader => ({
      ...loader,
      load: (requests) =>
        loader.load(
          requests.map((request) =>
            request.degrade === undefined && blurred(facesBySource.get(JSON.stringify(request.source)) ?? -1)
              ? { ...request, degrade: { kind: "lr", pixels } }
              : request,
          ),
        ),
    });
    const facesBySource = new Map(Array.from({ length: 150 }, (_, i) => [JSON.stringify(few.at(i).source), i]));
    const fit = async (name: string, through: Loader, data = few) =>
      fitCalibration(
        backbone,
        data,
        through,
        trainingOptions({ seed: 5, degrade: "lr" }),
        { threads: 1 },
        measureOf(name),
      );
    for (const name of ["sharpness", "resolution"]) {
      const [sharp, mixed] = [
        (await fit(name, loader)).calibration,
        await fit(
          name,
          stored(20, (face) => face % 3 === 0),
        ),
      ];
      expect(mixed.set).toMatchObject({ kind: "mixed", faces: 150 });
      expect(mixed.set?.blurred).toBeGreaterThan(0.32);
      expect(mixed.set?.blurred).toBeLessThan(0.38);
      const [a, b] = [sharp, mixed.calibration] as LinearCalibration[];
      const range = (a?.high ?? 0) - (a?.low ?? 0);
      // The 1 % of 100 faces that may fall short is one face; the 5 % of other measures are
      // steadier.
      const most = name === "resolution" ? 0.25 : 0.15;
      expect(Math.abs((a?.high ?? 0) - (b?.high ?? 0)) / range, name).toBeLessThan(most);
      expect(Math.abs((a?.low ?? 0) - (b?.low ?? 0)) / range, name).toBeLessThan(0.15);
    }
    expect(
      (
        await fit(
          "sharpness",
          stored(34, () => true),
        )
      ).set,
    ).toMatchObject({ kind: "blurred" });
    // The column quality, larger for poorer faces here: nothing but resolution says which way it
    // counts.
    const scored = {
      ...few,
      at: (face: number) => ({ ...few.at(face), quality: face % 3 === 0 ? 70 + (face % 7) : 20 + (face % 11) }),
    };
    const { calibration } = await fit(
      "external",
      stored(20, (face) => face % 3 === 0),
      scored,
    );
    expect(calibration).toMatchObject({ measure: "external", low: 73, high: 30 });
  },
);
