import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type AdapterConfig,
  adaptedModel,
  findSites,
  initialTheta,
  layoutOf,
  selectSites,
} from "../../src/adapters/index.ts";
import { type EmbeddingModel, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { openData } from "../../src/data/index.ts";
import { openLoader } from "../../src/images/index.ts";
import { random } from "../../src/random.ts";

const repository = resolve(import.meta.dirname, "../../../..");
const shared = resolve(repository, process.env.PETALFACE_SHARED ?? "../shared");
const faces = 24;

describe.skipIf(!existsSync(shared))("real models on real faces (needs PETALFACE_SHARED)", () => {
  it.each(["mobilefacenet", "fr_feature"])(
    "%s keeps the embedding of sharp faces bit for bit, and only theirs",
    async (name) => {
      const backbone = await openBackbone(resolve(shared, "weights", `${name}.onnx`));
      const config: AdapterConfig = {
        method: "lora",
        gate: "low",
        rank: 16,
        scale: 1,
        sites: selectSites(findSites(backbone.graph).sites).map((site) => site.name),
        backbone: { name, sha256: backbone.spec.sha256 },
        calibration: { measure: "sharpness", low: 2.7, high: 4.1 },
      };
      const stream = random("trained", 1);
      const theta = (await initialTheta(backbone, layoutOf(backbone, config), 1)).map(
        (value) => value + 0.03 * stream.normal(),
      );
      const data = await openData(resolve(shared, "data/lfw112"));
      await using loader = openLoader({ size: backbone.size, threads: 1 });
      const load = (pixels: number | undefined) =>
        loader.load(
          Array.from({ length: faces }, (_, i) => ({
            source: data.at(500 * i).source,
            flip: false,
            ...(pixels !== undefined && { degrade: { kind: "lr" as const, pixels } }),
          })),
        );
      const embed = async (model: EmbeddingModel, pixels: number | undefined) => {
        const embedder = await openEmbedder(model, { batch: faces });
        const embeddings = await embedder.embed(await load(pixels), faces);
        await embedder.close();
        return embeddings;
      };
      const adapted = adaptedModel(backbone, { config, theta });
      for (const pixels of [undefined, 12]) {
        const [before, after] = [await embed(backbone, pixels), await embed(adapted, pixels)];
        const alpha = after.alpha ?? new Float32Array();
        const row = (values: Float32Array, face: number) =>
          values.slice(face * backbone.width, (face + 1) * backbone.width);
        const closed = Array.from({ length: faces }, (_, face) => face).filter((face) => alpha[face] === 1);
        for (let face = 0; face < faces; face++) {
          if (alpha[face] === 1) expect(row(after.data, face)).toEqual(row(before.data, face));
          else expect(row(after.data, face)).not.toEqual(row(before.data, face));
        }
        expect(closed.length).toBe(pixels === undefined ? Math.max(closed.length, faces - 4) : 0);
      }
    },
  );
});
