import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type EmbeddingModel, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { alphaOf, judgedModel, measureOf, qualityGraph, rangeCalibration } from "../../src/quality/index.ts";
import { random } from "../../src/random.ts";
import { tinySize, writeTinyBackbone } from "../support/backbone.ts";

test("a judged model has the frozen network's embeddings, bit for bit, and the alpha of its calibration", async () => {
  const folder = await mkdtemp(join(tmpdir(), "petalface-judged-"));
  try {
    const path = join(folder, "tiny.onnx");
    await writeTinyBackbone(path);
    const backbone = await openBackbone(path);
    const sharpness = measureOf("sharpness");
    const calibration = rangeCalibration({ name: "sharpness" }, 8, 9.5);
    const count = 6;
    const draw = random("judged");
    const planes = Uint8Array.from({ length: count * 3 * tinySize ** 2 }, (_, i) => {
      // Contrast grows from face to face.
      const face = Math.floor(i / (3 * tinySize ** 2));
      return 128 + Math.round((draw.uniform() - 0.5) * 40 * (face + 1));
    });
    const embed = async (model: EmbeddingModel) => {
      const embedder = await openEmbedder(model, { batch: 6, threads: 1 });
      const found = await embedder.embed(planes, count);
      await embedder.close();
      return found;
    };
    const [frozen, judged] = [await embed(backbone), await embed(judgedModel(backbone, calibration))];
    expect(judged.data).toEqual(frozen.data);
    const { graph, score } = qualityGraph(backbone, sharpness);
    const scores = await embed({ ...backbone, graph, output: score, width: 1 });
    const expected = Array.from(scores.data, (value) => alphaOf(calibration, value));
    expect(new Set(expected).size).toBeGreaterThan(2);
    expected.forEach((alpha, face) => {
      expect(judged.alpha?.[face]).toBeCloseTo(alpha, 5);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
