import { join } from "node:path";
import { expect, test } from "vitest";
import {
  believeGeometry,
  type CropTemplate,
  createLocator,
  cropFor,
  openDetector,
  openLandmarker,
  placeFor,
} from "../../src/faces/index.ts";
import { findUpright } from "../../src/faces/upright.ts";
import { decodePhoto, type Pixels } from "../../src/images/index.ts";
import { shared } from "../images/helpers.ts";

const sample = shared("data", "lfw250_sample");
const detectorFile = shared("weights", "scrfd_2.5g_bnkps.onnx");
const names = ["Aaron_Eckhart", "Abdullah_Gul", "Adam_Freier", "Adrien_Brody"];

/** What crops of one geometry are said to be. */
const said: Readonly<Record<CropTemplate, string>> = {
  arcface: "arcface",
  opencv: "arcface",
  frigate: "frigate",
  facenet: "facenet",
  deepstream: "facenet",
  deepface: "deepface",
};

test.skipIf(!sample.exists)(
  "the geometry of real crops is told from the crops alone (needs PETALFACE_SHARED)",
  async ({ skip }) => {
    const landmarks = await openLandmarker("fr_landmark").catch(() => undefined);
    if (landmarks === undefined) return skip("fr_landmark cannot be fetched");
    const detector = await openDetector(detectorFile.path);
    const locator = createLocator(detector.kind, landmarks);
    const { readdirSync } = await import("node:fs");
    const crops = new Map<CropTemplate, Pixels[]>();
    for (const name of names) {
      const [file = ""] = readdirSync(join(sample.path, name));
      const { pixels } = await decodePhoto(join(sample.path, name, file));
      const [face] = await findUpright(pixels, detector, locator, { all: false, rule: "central" });
      for (const template of Object.keys(said) as CropTemplate[]) {
        const place = face && placeFor(template, face.rotated, face.rotated.pixels, 112);
        if (face === undefined || place === undefined) throw new Error(`${name}: no face`);
        const crop = cropFor(template, face.rotated.pixels, face.rotated, place, 112);
        crops.set(template, [...(crops.get(template) ?? []), crop]);
      }
    }
    const found: Record<string, string | undefined> = {};
    for (const [template, all] of crops) {
      const belief = await believeGeometry(all, landmarks);
      found[template] = belief.geometry;
      expect(belief.faces, template).toBeGreaterThanOrEqual(names.length - 1);
    }
    expect(found).toEqual(said);
    // Noise has no face, and a face in a corner of a larger picture lies as in none.
    const noise: Pixels = { width: 112, height: 112, data: new Uint8Array(3 * 112 * 112).fill(90) };
    expect((await believeGeometry([noise], landmarks)).geometry).toBeUndefined();
    await Promise.all([landmarks.close(), detector.close()]);
  },
);
