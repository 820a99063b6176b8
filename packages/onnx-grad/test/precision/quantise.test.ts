import { describe, expect, it } from "vitest";
import { itemAt } from "../../src/graph/item-at.ts";
import {
  type Graph,
  GraphBuilder,
  halfBits,
  ops,
  quantise,
  quantisedValues,
  type Tensor,
  toHalf,
} from "../../src/index.ts";
import { run } from "../support/engine.ts";

describe("halfBits", () => {
  const view = new DataView(new ArrayBuffer(2));
  it("is the nearest binary16, ties to even, as the platform rounds", () => {
    const values = [0, -0, 1, -2.5, 65504, 65519.99, 65520, 1e9, 2 ** -24, 2 ** -25, 1.5 * 2 ** -24, 2 ** -14, 0.1];
    for (let i = 0; i < 20_000; i++) values.push(Math.sin(i) * 2 ** ((i % 44) - 27));
    for (const value of [...values, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      // Through float32 first, as weights are.
      view.setFloat16(0, Math.fround(value));
      expect(halfBits(value)).toBe(view.getUint16(0));
    }
    expect(halfBits(Number.NaN) & 0x7fff).toBeGreaterThan(0x7c00);
  });
});

/** A convolution, a depthwise one, a Gemm of either orientation and a MatMul. */
function network(): { graph: Graph; feeds: Record<string, Tensor> } {
  const b = new GraphBuilder({ name: "layers", opset: 20 });
  const o = ops(b);
  let seed = 0;
  const weight = (...dims: number[]): string =>
    o.floats(
      Float32Array.from({ length: dims.reduce((a, c) => a * c, 1) }, () => Math.sin(++seed * 12.9898)),
      dims,
    );
  const x = b.input("x", { dtype: "float32", shape: [{ symbol: "N", times: 1 }, 3, 6, 6] });
  const wide = o.relu(o.conv(x, weight(5, 3, 3, 3), { pads: [1, 1, 1, 1] }, weight(5)));
  const each = o.conv(wide, weight(5, 1, 3, 3), { group: 5 });
  const flat = b.add("Flatten", [each]);
  const one = o.gemm(flat, weight(7, 80), { c: weight(7), transB: true });
  const two = o.gemm(o.relu(one), weight(7, 6), { c: weight(6) });
  const graph = b.build([o.matmul(two, weight(6, 4))]);
  const data = Float32Array.from({ length: 3 * 108 }, (_, i) => Math.cos(i * 7.1));
  return { graph, feeds: { x: { dtype: "float32", dims: [3, 3, 6, 6], data } } };
}

const output = async (graph: Graph, feeds: Record<string, Tensor>): Promise<Float32Array> => {
  const results = await run(graph, feeds);
  return results[itemAt(graph.outputs, 0)]?.data as Float32Array;
};

const error = (a: Float32Array, b: Float32Array): number => {
  const length = (values: readonly number[]): number => Math.hypot(...values);
  return length([...a].map((value, i) => value - itemAt(b, i))) / length([...b]);
};

describe("a channel whose weights are all zero", () => {
  it("keeps its bias as finely as the others", async () => {
    const b = new GraphBuilder({ name: "dead", opset: 20 });
    const o = ops(b);
    const x = b.input("x", { dtype: "float32", shape: [2, 3, 4, 4] });
    const weights = Float32Array.from({ length: 4 * 3 }, (_, i) => (i < 3 ? 0 : Math.sin(i)));
    const graph = b.build([o.conv(x, o.floats(weights, [4, 3, 1, 1]), {}, o.floats([0.0123, -0.5, 0.25, 1]))]);
    const data = Float32Array.from({ length: 96 }, (_, i) => Math.cos(i * 7.1));
    const feeds: Record<string, Tensor> = { x: { dtype: "float32", dims: [2, 3, 4, 4], data } };
    const ranges = new Map(quantisedValues(graph, () => false).map((name) => [name, [-3, 3] as const]));
    const bytes = await quantise(graph, { keep: () => false, ranges });
    const exact = await output(graph, feeds);
    const rounded = await output(bytes, feeds);
    expect(Math.abs(itemAt(rounded, 0) - 0.0123)).toBeLessThan(1e-4);
    expect(error(rounded, exact)).toBeLessThan(0.03);
  });
});

describe("other precisions", () => {
  const keep = (): boolean => false;

  it("binary16 keeps three digits, inputs and outputs in float32, and what it is told to keep", async () => {
    const { graph, feeds } = network();
    const half = await toHalf(graph, keep);
    expect(half.outputs).toEqual(graph.outputs);
    expect([...half.constants.values()].filter(({ dtype }) => dtype === "float32")).toEqual([]);
    expect(error(await output(half, feeds), await output(graph, feeds))).toBeLessThan(3e-3);
    const whole = await toHalf(graph, () => true);
    expect(await output(whole, feeds)).toEqual(await output(graph, feeds));
  });

  it("binary16 leaves a weight beyond its range in float32", async () => {
    const b = new GraphBuilder({ name: "large", opset: 20 });
    const o = ops(b);
    const x = b.input("x", { dtype: "float32", shape: [1, 2] });
    const graph = b.build([o.mul(x, o.floats([1e6, 1]))]);
    const half = await toHalf(graph, keep);
    const feeds: Record<string, Tensor> = { x: { dtype: "float32", dims: [1, 2], data: Float32Array.of(1, 2) } };
    expect([...(await output(half, feeds))]).toEqual([1e6, 2]);
  });

  it("bytes with ranges from examples, and bytes with ranges of the batch, keep two digits", async () => {
    const { graph, feeds } = network();
    const expected = await output(graph, feeds);
    const values = quantisedValues(graph, keep);
    expect(values).toHaveLength(4);
    const seen = await run({ ...graph, outputs: values.filter((value) => value !== "x") }, feeds);
    const ranges = new Map(
      values.map((value) => {
        const data = (value === "x" ? feeds.x : seen[value])?.data as Float32Array;
        return [value, [Math.min(...data), Math.max(...data)] as const];
      }),
    );
    // Signed weights have coarser steps here, since many neighbours of this network are as large as
    // weights get (bytes.test.ts).
    const forms = [
      [await quantise(graph, { keep, ranges }), 0.06],
      [await quantise(graph, { keep }), 0.03],
    ] as const;
    for (const [bytes, most] of forms) {
      expect(error(await output(bytes, feeds), expected)).toBeLessThan(most);
      expect(error(await output(bytes, feeds), expected)).toBeGreaterThan(0);
      const stored = [...bytes.constants.values()].filter(({ dtype, dims }) => /int8/.test(dtype) && dims.length > 1);
      expect(stored).toHaveLength(4);
    }
  });

  it("keeps layers on request", async () => {
    const { graph, feeds } = network();
    const kept = await quantise(graph, { keep: () => true });
    expect(await output(kept, feeds)).toEqual(await output(graph, feeds));
  });
});
