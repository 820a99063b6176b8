import { join } from "node:path";
import { itemAt, type Tensor } from "onnx-grad";
import { beforeAll, describe, expect, it } from "vitest";
import { type AdapterConfig, adaptedModel, buildAdapted, findSites, initialTheta } from "../../src/adapters/index.ts";
import { type Backbone, openBackbone } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { adapt, type TrainingChoices } from "../../src/training/index.ts";
import { tinySize, tinyWidth } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";

const folder = temporaryFolder("petalface-step-");
const model = tinyModelIn(folder);
let backbone: Backbone;

beforeAll(async () => {
  backbone = await openBackbone(model);
});

const small: TrainingChoices = { batch: 8, lrPixels: [4, 6], sites: "all", rank: 4, epochs: 2 };
const train = "synthetic:people=12,images=2,seed=5";
const trained = async (name: string, options: TrainingChoices): Promise<Float32Array> =>
  (await adapt({ model, train, options: { ...small, ...options }, out: join(folder, name) }, { threads: 1 })).adapter
    .theta;

/** The largest difference, as a share of the largest number. */
const distance = (a: Float32Array, b: Float32Array): number => {
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - itemAt(b, i))), 0) / largest;
};

describe("accumulation", () => {
  it.each(["distil", "arcface"] as const)("in parts is the same step as at once, up to rounding (%s)", async (loss) => {
    // SGD: AdamW divides by the gradient's size and so makes rounding large where the gradient is
    // small.
    const options = { loss, optimizer: "sgd", learningRate: 0.02, dropout: 0.25, accumulate: 1 } as const;
    const whole = await trained(`whole-${loss}`, options);
    expect(distance(whole, await trained(`parts-${loss}`, { ...options, accumulate: 4 }))).toBeLessThan(1e-4);
    expect(distance(whole, await trained(`other-${loss}`, { ...options, seed: 1 }))).toBeGreaterThan(1e-2);
  });
});

describe("dropout", () => {
  const config = (sites: string[]): AdapterConfig => ({
    method: "lora",
    gate: "low",
    rank: 4,
    scale: 1,
    sites,
    backbone: { name: "tiny", sha256: backbone.spec.sha256 },
    calibration: { measure: "sharpness", low: 0, high: 20 },
  });

  it("keeps the adapter's mean output: over all 16 masks of a last layer's four rank channels, weighted by their chance", async () => {
    const last = findSites(backbone.graph).sites.at(-1)?.name ?? "";
    const share = 0.3;
    const built = buildAdapted(backbone, config([last]), {
      theta: "input",
      alpha: "quality",
      batch: 1,
      noise: { rank: share },
    });
    const session = await openSession(built.builder.build([built.embedding]), { threads: 1 });
    const stream = random("dropout test", 1);
    const theta = Float32Array.from({ length: built.layout.length }, () => stream.normal());
    const image = Float32Array.from({ length: 3 * tinySize ** 2 }, () => stream.normal());
    const embed = async (mask: readonly number[]): Promise<Float32Array> => {
      const tensor = (data: Float32Array, ...dims: number[]): Tensor => ({ dtype: "float32", dims, data });
      const feeds = {
        [built.input]: tensor(image, 1, 3, tinySize, tinySize),
        theta: tensor(theta, theta.length),
        dropout: tensor(Float32Array.from(mask), 1, 4),
      };
      return floatsOf(await session.run(feeds), built.embedding);
    };
    const whole = await embed([1, 1, 1, 1]);
    const frozen = await embed([0, 0, 0, 0]);
    const mean = new Float64Array(tinyWidth);
    for (let pattern = 0; pattern < 16; pattern++) {
      const kept = Array.from({ length: 4 }, (_, channel) => (pattern >> channel) & 1);
      const chance = kept.reduce((product, one) => product * (one === 1 ? 1 - share : share), 1);
      const embedding = await embed(kept.map((one) => one / (1 - share)));
      for (let k = 0; k < tinyWidth; k++) mean[k] = itemAt(mean, k) + chance * itemAt(embedding, k);
    }
    await session.close();
    expect(distance(whole, frozen)).toBeGreaterThan(0.01);
    expect(distance(whole, Float32Array.from(mean))).toBeLessThan(1e-5);
  });

  it("is drawn from the seed, and is not in the model that embeds", async () => {
    const one = await trained("dropout", { dropout: 0.5, seed: 3 });
    expect(await trained("dropout-again", { dropout: 0.5, seed: 3 })).toEqual(one);
    expect(await trained("without", { seed: 3 })).not.toEqual(one);
    const all = findSites(backbone.graph).sites.map((site) => site.name);
    const layoutTheta = await initialTheta(
      backbone,
      buildAdapted(backbone, config(all), { theta: "input", alpha: 1 }).layout,
      1,
    );
    const { graph } = adaptedModel(backbone, { config: config(all), theta: layoutTheta });
    expect(graph.inputs).toEqual([backbone.input]);
  });
});
