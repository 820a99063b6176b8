import { readFileSync } from "node:fs";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { describe, expect, test } from "vitest";
import { openDetector } from "../../src/faces/detector.ts";
import type { Box, FivePoints } from "../../src/faces/geometry.ts";
import { priorsOf } from "../../src/faces/priors.ts";
import { decodePhoto, type Pixels } from "../../src/images/index.ts";
import { shared, worst } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";
import { offsets, retinafaceLevels, writeDetector, writeRetinaface } from "./graphs.ts";

const folder = temporaryFolder();
const photos = shared("data", "lfw250_sample");

/**
 * What insightface's SCRFD and OpenCV's YuNet find in six photos of the sample, padded to 256 px
 * (fixtures/make.py).
 */
const oracle = JSON.parse(readFileSync(new URL("./fixtures/detections.json", import.meta.url), "utf8")) as Record<
  string,
  Record<string, { box: Box; score: number; points: FivePoints }[]>
>;

const blank = (width: number, height: number): Pixels => ({ width, height, data: new Uint8Array(3 * width * height) });

describe.skipIf(!photos.exists)("real detectors (needs PETALFACE_SHARED)", () => {
  test.each([
    ["scrfd", "scrfd_2.5g_bnkps.onnx"],
    ["yunet", "yunet_n_dynamic.onnx"],
  ])("%s: kind, boxes, points and scores are those of its own Python", async (kind, file) => {
    const detector = await openDetector(shared("weights", file).path);
    expect(detector).toMatchObject({ kind, hasPoints: true, canvas: undefined });
    for (const [name, expected] of Object.entries(oracle[kind] ?? {})) {
      const { pixels } = await decodePhoto(join(photos.path, name));
      const canvas = blank(256, 256);
      for (let row = 0; row < 250; row++) canvas.data.set(pixels.data.subarray(750 * row, 750 * (row + 1)), 768 * row);
      const found = await detector.detect(canvas, detector.threshold);
      expect(found.length, name).toBe(expected.length);
      for (const [at, face] of found.entries()) {
        const { box, score, points } = expected[at];
        // JPEG decoders differ by a grey level here and there.
        expect(worst(face.box, box), name).toBeLessThan(0.5);
        expect(worst(face.points?.flat() ?? [], points.flat()), name).toBeLessThan(0.5);
        expect(Math.abs(face.score - score), name).toBeLessThan(0.01);
      }
    }
    await detector.close();
  });
});

const points: FivePoints = [
  [30, 40],
  [50, 41],
  [40, 52],
  [33, 63],
  [48, 62],
];
const box: Box = [20, 25, 60, 75];

/** No weights of RetinaFace are at hand: graphs in its published layout stand in for them. */
describe("RetinaFace's layout", () => {
  const priors = priorsOf(retinafaceLevels, 96, 64);

  test("has the prior boxes of the published code, in its order", () => {
    expect(priors.length).toBe(2 * (12 * 8 + 6 * 4 + 3 * 2));
    expect(priors[0]).toEqual({ x: 4, y: 4, side: 16 });
    expect(priors[1]).toEqual({ x: 4, y: 4, side: 32 });
    expect(priors[2]).toEqual({ x: 12, y: 4, side: 16 });
    expect(priors[2 * 96 + 1]).toEqual({ x: 8, y: 8, side: 128 });
    expect(priors.at(-1)).toEqual({ x: 80, y: 48, side: 512 });
  });

  test("gives back a face that was put in, once", async () => {
    const path = join(folder, "retina.onnx");
    // Two neighbouring priors see the same face, one less surely.
    const faces = [0.9, 0.8].map((score) => ({ box, points, score }));
    await writeRetinaface(path, { width: 96, height: 64 }, faces, 2 * (4 * 12 + 5));
    const detector = await openDetector(path);
    expect(detector).toMatchObject({ kind: "retinaface", hasPoints: true, canvas: { width: 96, height: 64 } });
    const found = await detector.detect(blank(96, 64), detector.threshold);
    expect(found.map(({ score }) => score.toFixed(3))).toEqual(["0.900"]);
    expect(worst(found[0]?.box ?? [], box)).toBeLessThan(1e-3);
    expect(worst(found[0]?.points?.flat() ?? [], points.flat())).toBeLessThan(1e-3);
    await detector.close();
  });
});

describe("UltraFace's layout", () => {
  const levels = [
    { stride: 8, sides: [10, 16, 24] },
    { stride: 16, sides: [32, 48] },
    { stride: 32, sides: [64, 96] },
    { stride: 64, sides: [128, 192, 256] },
  ];
  const priors = priorsOf(levels, 320, 240);
  const sides = [320, 240, 320, 240] as const;

  async function found(decoded: boolean) {
    const path = join(folder, `ultra-${decoded}.onnx`);
    const [scores, boxes] = [new Float32Array(2 * priors.length), new Float32Array(4 * priors.length)];
    for (const [at, { x, y, side }] of priors.entries()) {
      const corners = [x - side / 2, y - side / 2, x + side / 2, y + side / 2];
      if (decoded)
        boxes.set(
          corners.map((value, edge) => value / itemAt(sides, edge)),
          4 * at,
        );
    }
    const at = 3 * (6 * 40 + 5);
    scores.set([0.05, 0.95], 2 * at);
    const numbers = decoded ? box.map((value, edge) => value / itemAt(sides, edge)) : offsets(box, priors[at]);
    boxes.set(numbers, 4 * at);
    await writeDetector(
      path,
      { width: 320, height: 240 },
      {
        scores: { dims: [1, priors.length, 2], data: scores },
        boxes: { dims: [1, priors.length, 4], data: boxes },
      },
    );
    const detector = await openDetector(path);
    expect(detector).toMatchObject({ kind: "ultraface", hasPoints: false });
    const faces = await detector.detect(blank(320, 240), detector.threshold);
    await detector.close();
    return faces;
  }

  test("has 4,420 boxes at 320 x 240, as published", () => {
    expect(priors.length).toBe(4420);
  });

  test.each([true, false])("gives back a face that was put in (boxes decoded by the file: %s)", async (decoded) => {
    const faces = await found(decoded);
    expect(faces.length).toBe(1);
    expect(worst(faces[0]?.box ?? [], box)).toBeLessThan(1e-2);
  });
});

describe("a file that is no detector", () => {
  test("is refused with its outputs", async () => {
    const path = join(folder, "other.onnx");
    await writeDetector(
      path,
      { width: 32, height: 32 },
      { embedding: { dims: [1, 512], data: new Float32Array(512) } },
    );
    await expect(openDetector(path)).rejects.toThrow(
      /other\.onnx is not a known kind of face detector .*SCRFD, YuNet, RetinaFace, UltraFace.*embedding \[1, 512\]/,
    );
  });

  test("is refused where its grid is another", async () => {
    const path = join(folder, "grid.onnx");
    await writeDetector(
      path,
      { width: 64, height: 64 },
      {
        scores: { dims: [1, 7, 2], data: new Float32Array(14) },
        boxes: { dims: [1, 7, 4], data: new Float32Array(28) },
      },
    );
    await expect(openDetector(path)).rejects.toThrow(/looks like ultraface but gives 7 boxes/);
  });

  test("is refused where it is no ONNX file or is not there", async () => {
    await expect(openDetector(new URL(import.meta.url).pathname)).rejects.toThrow(/not an ONNX model|could not load/);
    await expect(openDetector(join(folder, "missing.onnx"))).rejects.toThrow(/no model .*missing\.onnx/);
  });
});
