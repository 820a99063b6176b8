import { join } from "node:path";
import { itemAt, writeModel } from "onnx-grad";
import { expect } from "vitest";
import { type AdapterConfig, backboneRecord, initialTheta, layoutOf, saveAdapter } from "../../src/adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import type { ModelChoices } from "../../src/models/index.ts";
import { type FormOptions, smallRecogniser, smallSize } from "../support/forms.ts";

/** Images of {@link noise}. */
export const faces = 5;
export const noise = Uint8Array.from(
  { length: faces * 3 * smallSize ** 2 },
  (_, i) => (i * 7919 + (i % 13) * 31) % 256,
);

/** Embeddings of five images of noise. */
export async function embed(model: EmbeddingModel, pixels = noise): Promise<number[]> {
  const embedder = await openEmbedder(model, { batch: faces, threads: 1 });
  const { data } = await embedder.embed(pixels, faces);
  await embedder.close();
  return [...data];
}

/** Largest difference of two lists by the largest number of the first. */
export function apart(a: readonly number[], b: readonly number[]): number {
  expect(b).toHaveLength(a.length);
  const most = Math.max(...a.map(Math.abs));
  return Math.max(...a.map((value, at) => Math.abs(value - itemAt(b, at)))) / most;
}

/** Makes models and adapters in a folder. */
export const modelsIn = (folder: string) => ({
  /** Writes a small recogniser and opens it. */
  async opened(name: string, options: FormOptions, choices: ModelChoices = {}): Promise<Backbone> {
    const path = join(folder, `${name}.onnx`);
    await writeModel(smallRecogniser(options), path);
    return openBackbone(path, choices);
  },
  /**
   * An adapter of the last layer as it is, saved; `full` as today's, else as those of earlier
   * versions. Returns its folder.
   */
  async plainAdapter(backbone: Backbone, name: string, full = true): Promise<string> {
    const config: AdapterConfig = {
      method: "head",
      gate: "single",
      rank: 1,
      scale: 1,
      sites: [],
      backbone: full ? backboneRecord(backbone) : { name: backbone.spec.name, sha256: backbone.spec.sha256 },
      calibration: { measure: "sharpness", low: 0, high: 1 },
    };
    const theta = await initialTheta(backbone, layoutOf(backbone, config), 1);
    await saveAdapter(join(folder, name), backbone, { config, theta });
    return join(folder, name);
  },
});
