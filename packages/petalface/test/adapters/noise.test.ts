import { GraphBuilder, itemAt, ops, sizeOf, type Tensor } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { type AdapterConfig, buildAdapted } from "../../src/adapters/index.ts";
import { noiseOf } from "../../src/adapters/noise.ts";
import { random } from "../../src/random.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { drawNoise } from "../../src/training/steps/noise.ts";
import { swin } from "./networks.ts";

const backbone = swin({ window: 2, across: 2, heads: 2, depth: 4 });

/** Masks that an adapter's output of this shape gets in one step, features along `axis`. */
async function masks(dims: readonly number[], axis: number, share: number, step = 0): Promise<Float32Array> {
  const b = new GraphBuilder({ name: "noise", opset: 20 });
  const o = ops(b);
  const ones = b.constant({ dtype: "float32", dims, data: new Float32Array(sizeOf(dims)).fill(1) });
  const [batch = 1] = dims;
  const noise = noiseOf(o, backbone.graph, new Map(), batch, { output: share });
  const silenced = noise.output(ones, axis, "site");
  const session = await openSession(b.build([silenced]), { threads: 1 });
  const drawn = drawNoise(noise.inputs, batch, 1, step);
  const feeds = noise.inputs.map(({ name, dims: own }): [string, Tensor] => [
    name,
    { dtype: "float32", dims: [batch, ...own], data: drawn.get(name) as Float32Array },
  ]);
  const results = await session.run(Object.fromEntries(feeds));
  await session.close();
  return floatsOf(results, silenced);
}

const mean = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

describe("dropout of what an adapter adds", () => {
  it.each([
    [[4, 100, 96], 2],
    [[4, 96, 100], 1],
  ] as const)(
    "silences its share of %j along axis %i, each number by itself (4 standard errors)",
    async (dims, axis) => {
      const share = 0.1;
      const values = await masks(dims, axis, share);
      const kept = 1 / (1 - share);
      expect(values.every((value) => value === 0 || Math.abs(value - kept) < 1e-6)).toBe(true);
      const silent = values.map((value) => (value === 0 ? 1 : 0));
      const spread = share * (1 - share);
      expect(Math.abs(mean(silent) - share)).toBeLessThan(4 * Math.sqrt(spread / silent.length));
      // Pairs of neighbours along rows and columns, and rectangles of four: what two numbers a row
      // and a column could tie together.
      const [, height, width] = dims;
      const at = (n: number, y: number, x: number): number => itemAt(silent, (n * height + y) * width + x) - share;
      const products = { rows: [] as number[], columns: [] as number[], rectangles: [] as number[] };
      for (let n = 0; n < dims[0]; n++)
        for (let y = 0; y + 1 < height; y++)
          for (let x = 0; x + 1 < width; x++) {
            products.rows.push(at(n, y, x) * at(n, y, x + 1));
            products.columns.push(at(n, y, x) * at(n, y + 1, x));
            products.rectangles.push(at(n, y, x) * at(n, y, x + 1) * at(n, y + 1, x) * at(n, y + 1, x + 1));
          }
      expect(Math.abs(mean(products.rows))).toBeLessThan((4 * spread) / Math.sqrt(products.rows.length));
      expect(Math.abs(mean(products.columns))).toBeLessThan((4 * spread) / Math.sqrt(products.columns.length));
      expect(Math.abs(mean(products.rectangles))).toBeLessThan(
        (4 * spread ** 2) / Math.sqrt(products.rectangles.length),
      );
    },
  );

  it("draws another mask every step, and the same one again", async () => {
    const dims = [2, 10, 32];
    const first = await masks(dims, 2, 0.5, 3);
    expect(await masks(dims, 2, 0.5, 3)).toEqual(first);
    expect(await masks(dims, 2, 0.5, 4)).not.toEqual(first);
  });
});

describe("dropped paths", () => {
  it("rise linearly over the blocks, one draw for attention and one for the MLP of each image", () => {
    const b = new GraphBuilder({ name: "noise", opset: 20 });
    const noise = noiseOf(ops(b), backbone.graph, new Map(), 2, { path: 0.3 });
    expect(noise.inputs).toHaveLength(1);
    const [{ dims, draw } = { dims: [], draw: { below: 0 } }] = noise.inputs;
    expect(dims).toEqual([5]);
    const shares = "shares" in draw ? draw.shares : [];
    [0, 0, 0.15, 0.15, 0.3].forEach((share, i) => {
      expect(shares[i]).toBeCloseTo(share, 12);
    });
  });

  it("take the branches of their image and of no other", async () => {
    const config: AdapterConfig = {
      method: "lora",
      gate: "single",
      rank: 1,
      scale: 1,
      sites: [],
      backbone: { name: "network", sha256: "" },
      calibration: { measure: "sharpness", low: 0, high: 1 },
    };
    const built = (path: number) =>
      buildAdapted(backbone, config, { theta: new Float32Array(0), alpha: 1, batch: 2, noise: { path } });
    const stream = random("dropped paths", 1);
    const { size, input } = backbone;
    const data = Float32Array.from({ length: 2 * 3 * size * size }, () => stream.normal());
    const image: Tensor = { dtype: "float32", dims: [2, 3, size, size], data };
    const embed = async (path: number, mask?: readonly number[]): Promise<Float32Array> => {
      const { builder, embedding } = built(path);
      const session = await openSession(builder.build([embedding]), { threads: 1 });
      const drop: Tensor = { dtype: "float32", dims: [2, 5], data: Float32Array.from(mask ?? []) };
      const results = await session.run({ [input]: image, ...(mask && { drop_path: drop }) });
      await session.close();
      return floatsOf(results, embedding);
    };
    const plain = await embed(0);
    const width = plain.length / 2;
    const ones = Array<number>(5).fill(1);
    expect(await embed(0.3, [...ones, ...ones])).toEqual(plain);
    for (let branch = 0; branch < 5; branch++) {
      const without = await embed(0.3, [...ones, ...ones.with(branch, 0)]);
      expect(without.subarray(0, width)).toEqual(plain.subarray(0, width));
      expect(without.subarray(width)).not.toEqual(plain.subarray(width));
    }
  });

  it("leave the whole branch of an image out, or none of it", () => {
    const [name, batch] = ["drop_path", 4000];
    const drawn = drawNoise([{ name, dims: [2], draw: { shares: [0, 0.25] } }], batch, 1, 0).get(name) as Float32Array;
    expect(drawn.filter((_, i) => i % 2 === 0).every((value) => value === 1)).toBe(true);
    const second = drawn.filter((_, i) => i % 2 === 1);
    expect(new Set(second)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    expect(Math.abs(mean(second) - 1)).toBeLessThan(4 * Math.sqrt(1 / 3 / batch));
  });

  it("selects tokens without repeating one", () => {
    const draw = drawNoise([{ name: "kept", dims: [3, 5], draw: { of: 5 } }], 50, 1, 0).get("kept") as Float32Array;
    const chosen = Array.from({ length: 150 }, (_, row) => draw.subarray(row * 5, row * 5 + 5));
    for (const row of chosen) expect([...row].sort()).toEqual([0, 0, 0, 0, 1]);
    const tokens = chosen.map((row) => row.indexOf(1));
    for (let image = 0; image < 50; image++) expect(new Set(tokens.slice(3 * image, 3 * image + 3)).size).toBe(3);
    expect(new Set(tokens).size).toBe(5);
  });
});
