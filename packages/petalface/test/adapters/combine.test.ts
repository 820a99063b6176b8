import { join } from "node:path";
import fc from "fast-check";
import { itemAt } from "onnx-grad";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Adapter,
  type AdapterConfig,
  adaptedModel,
  combineAdapters,
  findSites,
  type Gate,
  gateAt,
  gateNames,
  gateWeights,
  layoutOf,
} from "../../src/adapters/index.ts";
import { type Backbone, openBackbone, openEmbedder } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { tinySize, writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-combine-");
let backbone: Backbone;

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  backbone = await openBackbone(join(folder, "tiny.onnx"));
});

/** An adapter of drawn weights on some of the layers. */
function drawn(seed: number, choices: Partial<AdapterConfig> = {}): Adapter {
  const names = findSites(backbone.graph).sites.map(({ name }) => name);
  const config: AdapterConfig = {
    method: "lora",
    gate: "low",
    rank: 4,
    scale: 0.5,
    sites: names,
    backbone: { name: "tiny", sha256: backbone.spec.sha256 },
    calibration: { measure: "sharpness", low: 90, high: 91 },
    ...choices,
  };
  const stream = random("combine", seed);
  const { length } = layoutOf(backbone, config);
  return { config, theta: Float32Array.from({ length }, () => 0.1 * stream.normal()) };
}

/**
 * What an adapter adds to a layer's weight at one alpha: scale x up gate(alpha) down, row by row;
 * zeros where it has no such layer.
 */
function added({ config, theta }: Adapter, site: string, alpha: number): number[] {
  const { slots } = layoutOf(backbone, config);
  const [down, up] = (["down", "up"] as const).map((role) =>
    slots.find((slot) => slot.of === site && slot.role === role),
  );
  if (down === undefined || up === undefined) return [];
  const rank = itemAt(down.dims, 0);
  const [inputs, outputs] = [down.length / rank, itemAt(up.dims, 0)];
  const weights = gateWeights(gateAt(config, site), alpha);
  return Array.from({ length: outputs * inputs }, (_, at) => {
    const [output, input] = [Math.floor(at / inputs), at % inputs];
    let sum = 0;
    for (let channel = 0; channel < rank; channel++)
      sum +=
        itemAt(weights, Math.floor((channel * weights.length) / rank)) *
        (theta[up.offset + output * rank + channel] ?? Number.NaN) *
        (theta[down.offset + channel * inputs + input] ?? Number.NaN);
    return sum * config.scale;
  });
}

describe("the weighted sum of adapters", () => {
  it("adds at every layer and alpha the weighted sum of what they add, also where one leaves a layer alone", () => {
    const names = findSites(backbone.graph).sites.map(({ name }) => name);
    const half = names.filter((_, at) => at % 2 === 0);
    fc.assert(
      fc.property(
        fc.constantFrom(...gateNames),
        fc.double({ min: -2, max: 2, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        (gate: Gate, weight, alpha, ungated) => {
          const shared = { gate, ...(ungated && gate !== "single" && { ungated: names.slice(-1) }) };
          const a = drawn(1, {
            ...shared,
            rank: 2,
            sites: [...half, ...names.slice(-1)].filter((name, at, all) => all.indexOf(name) === at),
          });
          const b = drawn(2, { ...shared, scale: 2 });
          const c = drawn(3, { ...shared, rank: 6 });
          const weights = [weight, 1, -0.5];
          const sum = combineAdapters(
            backbone,
            [a, b, c].map((adapter, at) => ({ name: `${at}`, adapter, weight: itemAt(weights, at) })),
          );
          for (const site of names) {
            const parts = [a, b, c].map((adapter) => added(adapter, site, alpha));
            added(sum, site, alpha).forEach((value, at) => {
              const wanted = parts.reduce((total, part, which) => total + itemAt(weights, which) * (part[at] ?? 0), 0);
              expect(value).toBeCloseTo(wanted, 5);
            });
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("with weights 1 and 0 is the first adapter", async () => {
    const [a, b] = [drawn(1), drawn(2, { rank: 2 })];
    const sum = combineAdapters(backbone, [
      { name: "a", adapter: a, weight: 1 },
      { name: "b", adapter: b, weight: 0 },
    ]);
    const noise = Uint8Array.from({ length: 3 * tinySize * tinySize }, (_, i) => (i * 7919) % 256);
    const embed = async (adapter: Adapter): Promise<number[]> => {
      const embedder = await openEmbedder(adaptedModel(backbone, adapter), { threads: 1 });
      const { data } = await embedder.embed(noise, 1);
      await embedder.close();
      return [...data];
    };
    const [wanted, found] = [await embed(a), await embed(sum)];
    for (const [at, value] of found.entries()) expect(value).toBeCloseTo(itemAt(wanted, at), 4);
  });

  it("is refused where the adapters do not fit together", () => {
    const pair = (b: Adapter, calibration?: number) =>
      combineAdapters(
        backbone,
        [
          { name: "a", adapter: drawn(1), weight: 1 },
          { name: "b", adapter: b, weight: 1 },
        ],
        calibration,
      );
    const other = drawn(2, { calibration: { measure: "sharpness", low: 1, high: 2 } });
    expect(() => pair(other)).toThrow("a and b cannot be added: their calibrations differ");
    expect(pair(other, 1).config.calibration).toEqual(other.config.calibration);
    expect(() => pair(drawn(2, { gate: "twin" }))).toThrow("their gates are low and twin");
    expect(() => pair(drawn(2, { ungated: drawn(1).config.sites.slice(0, 1) }))).toThrow("has a gate in one only");
    expect(() => combineAdapters(backbone, [{ name: "a", adapter: drawn(1), weight: 1 }])).toThrow("at least two");
  });
});
