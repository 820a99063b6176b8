import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { itemAt } from "onnx-grad";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import type { Detector } from "../../src/faces/detector.ts";
import { mapPoints, template } from "../../src/faces/geometry.ts";
import { createLocator, type FaceRecord, openDetector } from "../../src/faces/index.ts";
import type { Locator } from "../../src/faces/points.ts";
import { type Turn, turnBack, turnPixels } from "../../src/faces/turns.ts";
import { findUpright } from "../../src/faces/upright.ts";
import { decodePhoto, type Pixels, toPlanes } from "../../src/images/index.ts";
import { petalface } from "../cli/process.ts";
import { arbitraryPixels, paint, shared } from "../images/helpers.ts";
import { temporaryFolder } from "../support/folder.ts";

const quarter = fc.constantFrom<Turn>(0, 1, 2, 3);

describe("quarter turns", () => {
  test("are sharp's rotation, without a change of any pixel", async () => {
    const photo = paint(7, 5, (x, y, channel) => 30 * x + 7 * y + channel);
    const { width, height } = photo;
    for (const turn of [0, 1, 2, 3] as const) {
      const image = sharp(photo.data, { raw: { width, height, channels: 3 } }).rotate(90 * turn);
      const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
      const turned = turnPixels(photo, turn);
      expect([turned.width, turned.height, ...turned.data]).toEqual([info.width, info.height, ...data]);
    }
  });

  test("and their places go back", () => {
    fc.assert(
      fc.property(arbitraryPixels(), quarter, fc.nat(), fc.nat(), (photo, turn, first, second) => {
        const turned = turnPixels(photo, turn);
        const [x, y] = [first % turned.width, second % turned.height];
        const [u, v] = turnBack(turn, photo.width, photo.height)([x, y]);
        const pixel = ({ data, width }: Pixels, at: number) => [...data.subarray(3 * at, 3 * at + 3), width > 0];
        expect(pixel(turned, y * turned.width + x)).toEqual(pixel(photo, v * photo.width + u));
      }),
    );
  });
});

/**
 * A photo whose one face lies to the left above the middle; its first pixel is white where it is
 * upright.
 */
const upright = paint(100, 80, (x, y) => (x === 0 && y === 0 ? 255 : (x * y) & 127));
const isUpright = ({ data }: Pixels): boolean => data[0] === 255;
const points = mapPoints(template(40), ([x, y]) => [x + 15, y + 5]);

/**
 * Stands in for a detector: it finds a face in the middle, whichever way the photo lies, with a
 * score that says nothing.
 */
function detectorOf(kind: Detector["kind"], score: (canvas: Pixels) => number): Detector & { looks(): number } {
  let looks = 0;
  return {
    kind,
    hasPoints: true,
    canvas: undefined,
    multiple: 1,
    threshold: 0.5,
    async detect(canvas) {
      looks++;
      return [{ box: [15, 5, 55, 60], score: score(canvas), points }];
    },
    close: async () => {},
    looks: () => looks,
  };
}

/** Points that are at rest in upright photos alone. */
const resting: Locator = {
  locate: async (photo) => ({ points, unrest: isUpright(photo) ? 0.01 : 0.4 }),
  likelyTurn: async () => undefined,
};
const choices = { one: { all: false, rule: "central" }, all: { all: true, rule: "central" } } as const;
// Small enough to be looked at without scaling: the canvas is the photo, enlarged.
const enlarged = (canvas: Pixels): boolean => (canvas.data[0] ?? 0) > 200;

describe("a photo on its side or head", () => {
  test.each([0, 1, 2, 3] as const)(
    "turned %i times clockwise is turned back: same pixels, same points",
    async (turn) => {
      const photo = turnPixels(upright, turn);
      const detector = detectorOf("ultraface", () => 0.99);
      const [face] = await findUpright(photo, detector, resting, choices.one);
      expect(face?.turn).toBe((4 - turn) % 4);
      expect(face?.rotated).toMatchObject({ pixels: upright, points });
      // Its points in the photo as it lies are those of the upright one, moved.
      const back = turnBack(((4 - turn) % 4) as Turn, photo.width, photo.height);
      expect(face?.points).toEqual(mapPoints(points, back));
      if (turn === 0) expect(detector.looks()).toBe(1);
    },
  );

  test.each([1, 2, 3] as const)("turned %i times: with --all where the network says so", async (turn) => {
    const asking: Locator = { ...resting, likelyTurn: async () => ((4 - turn) % 4) as Turn };
    const faces = await findUpright(
      turnPixels(upright, turn),
      detectorOf("ultraface", () => 0.99),
      asking,
      choices.all,
    );
    expect(faces.map((face) => face.turn)).toEqual([(4 - turn) % 4]);
  });

  test("without landmarks goes by the score, and an upright one is looked at once", async () => {
    const own = createLocator("yunet", undefined);
    const detector = () => detectorOf("yunet", (canvas) => (enlarged(canvas) ? 0.95 : 0.8));
    for (const turn of [1, 2, 3] as const) {
      const [face] = await findUpright(turnPixels(upright, turn), detector(), own, choices.one);
      expect(face?.turn).toBe(4 - turn);
    }
    const once = detector();
    expect((await findUpright(upright, once, own, choices.one))[0]?.turn).toBe(0);
    expect(once.looks()).toBe(1);
  });

  test("without landmarks, points that lie on their side say so, whatever the scores", async () => {
    const own = createLocator("scrfd", undefined);
    const photo = turnPixels(upright, 1);
    const onSide = mapPoints(points, ([x, y]) => [80 - y, x]);
    const detector: Detector = {
      ...detectorOf("scrfd", () => 0.79),
      // The face as it lies in photos of this width; upside down it is taken for an upright one,
      // with a lower score.
      detect: async (canvas) => [
        {
          box: [15, 5, 65, 60],
          score: canvas.width < canvas.height || enlarged(canvas) ? 0.79 : 0.6,
          points: canvas.width < canvas.height ? onSide : points,
        },
      ],
    };
    const [face] = await findUpright(photo, detector, own, choices.one);
    expect(face?.turn).toBe(3);
  });

  test("whose points fit in no way is no face", async () => {
    const never: Locator = { ...resting, locate: async () => ({ points, unrest: 0.4 }) };
    const detector = detectorOf("ultraface", () => 0.99);
    expect(await findUpright(upright, detector, never, choices.one)).toEqual([]);
    const mirrored = mapPoints(points, ([x, y]) => [100 - x, y]);
    const wrong: Locator = { ...resting, locate: async () => ({ points: mirrored, unrest: 0 }) };
    expect(await findUpright(upright, detector, wrong, choices.one)).toEqual([]);
  });
});

const sample = shared("data", "lfw250_sample");

describe.skipIf(!sample.exists)(
  "photos in every quarter turn, by the detector's own points (needs PETALFACE_SHARED)",
  () => {
    const files = ["Jesse_James_Leija/Jesse_James_Leija_0002.jpg", "Michael_Kostelnik/Michael_Kostelnik_0001.jpg"];
    files.push("Paula_Radcliffe/Paula_Radcliffe_0001.jpg", "Ross_Verba/Ross_Verba_0001.jpg");
    test.each(["scrfd_2.5g_bnkps.onnx", "yunet_n_dynamic.onnx"])("%s", async (file) => {
      const detector = await openDetector(shared("weights", file).path);
      const own = createLocator(detector.kind, undefined);
      const turned: (Turn | undefined)[][] = [];
      for (const name of files) {
        const { pixels } = await decodePhoto(join(sample.path, name));
        const row: (Turn | undefined)[] = [];
        for (const turn of [0, 1, 2, 3] as const) {
          const [face] = await findUpright(turnPixels(pixels, turn), detector, own, choices.one);
          row.push(face?.turn);
        }
        turned.push(row);
      }
      await detector.close();
      expect(turned).toEqual(files.map(() => [0, 3, 2, 1]));
    });
  },
);

const photos = shared("bugs", "rotated-without-exif", "photos");
const cosineFloor = 0.98;

describe.skipIf(!photos.exists)("real photos on their side and head (needs PETALFACE_SHARED)", () => {
  const folder = temporaryFolder();
  test.each(["scrfd_2.5g_bnkps.onnx", "yunet_n_dynamic.onnx"])(
    "%s: crops are those of the upright photo to a recogniser",
    async (file) => {
      const detector = shared("weights", file).path;
      const out = join(folder, file);
      const more = ["--detector", detector, "--landmarks", "own", "--quiet", "--json"];
      const { code, stderr } = await petalface(["align", photos.path, "--out", out, ...more]);
      expect([code, stderr]).toEqual([0, ""]);
      const lines = readFileSync(join(out, "manifest.jsonl"), "utf8").trim().split("\n");
      const records = lines.map((line) => JSON.parse(line) as FaceRecord);
      expect(records.map(({ path, aligned, rotation }) => [path, aligned, rotation])).toEqual([
        ["down_noexif.png", true, 180],
        ["side_noexif.png", true, 90],
        ["upright.png", true, 0],
      ]);
      const backbone = await openBackbone(shared("weights", "mobilefacenet.onnx").path);
      const embedder = await openEmbedder(backbone, { threads: 1 });
      const planes = new Uint8Array(3 * 3 * 112 * 112);
      for (const [at, { path }] of records.entries())
        toPlanes((await decodePhoto(join(out, path))).pixels, planes, at * 3 * 112 * 112);
      const { data, width } = await embedder.embed(planes, 3);
      await embedder.close();
      const row = (at: number) => data.subarray(at * width, (at + 1) * width);
      const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * itemAt(b, i), 0);
      const cosine = (a: number, b: number) =>
        dot(row(a), row(b)) / Math.sqrt(dot(row(a), row(a)) * dot(row(b), row(b)));
      expect(cosine(0, 2)).toBeGreaterThan(cosineFloor);
      expect(cosine(1, 2)).toBeGreaterThan(cosineFloor);
    },
  );
});
