import { describe, expect, it } from "vitest";
import { itemAt } from "../../src/graph/item-at.ts";
import { type Graph, GraphBuilder, lower, ops, quantise, type Tensor } from "../../src/index.ts";
import { toBytes } from "../../src/precision/bytes.ts";
import { run } from "../support/engine.ts";

const tensor = (dims: readonly number[], value: (at: number) => number): Tensor => ({
  dtype: "float32",
  dims,
  data: Float32Array.from({ length: dims.reduce((all, dim) => all * dim, 1) }, (_, at) => value(at)),
});

const wave = (at: number): number => Math.sin(at * 12.9898) * (at % 7 === 0 ? 1 : 0.4);
const ones = (): number => 1;
const alternating = (at: number): number => (at % 2 === 0 ? 1 : -1);

/**
 * The most that products of two neighbouring inputs, each 255, add up to, taking one sign at a
 * time.
 */
function mostOfNeighbours(bytes: readonly number[]): number {
  let most = 0;
  for (let i = 1; i < bytes.length; i++)
    for (const sign of [1, -1]) {
      const part = (at: number): number => Math.max(0, sign * itemAt(bytes, at));
      most = Math.max(most, 255 * (part(i - 1) + part(i)));
    }
  return most;
}

/**
 * A kernel's bytes of one output, its taps side by side (channels first) or its channels side by
 * side (channels last).
 */
function kernelOrders(bytes: Int8Array, [, channels = 0, height = 0, width = 0]: readonly number[], output: number) {
  const taps = height * width;
  const at = (channel: number, tap: number): number => itemAt(bytes, (output * channels + channel) * taps + tap);
  const indices = Array.from({ length: channels * taps }, (_, i) => i);
  return [
    indices.map((i) => at(Math.floor(i / taps), i % taps)),
    indices.map((i) => at(i % channels, Math.floor(i / channels))),
  ];
}

describe("toBytes", () => {
  it.each([
    ["of all signs", wave],
    ["all alike", ones],
    ["of alternating signs", alternating],
  ])("keeps the products of neighbours within 16 bits, weights %s", (_, value) => {
    const dims = [4, 5, 3, 3];
    const { bytes } = toBytes(tensor(dims, value), { axis: 0, signed: true });
    for (let output = 0; output < 4; output++)
      for (const order of kernelOrders(bytes, dims, output)) expect(mostOfNeighbours(order)).toBeLessThan(2 ** 15);
    for (const axis of [0, 1]) {
      const rounded = toBytes(tensor([64, 64], value), { axis, signed: true });
      for (let output = 0; output < 64; output++) {
        const inputs = Array.from(
          { length: 64 },
          (_, i) => rounded.bytes[axis === 0 ? output * 64 + i : i * 64 + output],
        );
        expect(mostOfNeighbours(inputs)).toBeLessThan(2 ** 15);
      }
    }
  });

  it("rounds every weight to the nearest step, and uses all 127 where no two neighbours are large", () => {
    const weight = tensor([32, 32], (at) => (at % 32 === 5 ? 1 : 1e-3 * wave(at)));
    const { bytes, scales } = toBytes(weight, { axis: 0, signed: true });
    (weight.data as Float32Array).forEach((value, at) => {
      const scale = itemAt(scales, Math.floor(at / 32));
      expect(Math.abs(itemAt(bytes, at) * scale - value)).toBeLessThanOrEqual(scale * 0.5001);
    });
    expect(Math.max(...bytes)).toBeGreaterThan(125);
  });

  it("uses all steps where neighbours do not matter", () => {
    const { bytes } = toBytes(tensor([2, 8], ones), { axis: 0, signed: false });
    expect([...bytes]).toEqual(Array(16).fill(127));
  });
});

/** A product of the worst kind: all weights and all inputs as large as they get. */
function worst(op: "gemm" | "matmul"): { readonly graph: Graph; readonly feeds: Record<string, Tensor> } {
  const b = new GraphBuilder({ name: "worst", opset: 20 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [16, 256] });
  const weight = b.constant(tensor([256, 256], ones), "weight");
  const graph = b.build([
    op === "gemm" ? o.gemm(x, weight, { c: o.floats(new Float32Array(256)) }) : o.matmul(x, weight),
  ]);
  return { graph, feeds: { x: tensor([16, 256], ones) } };
}

describe("the largest weights times the largest inputs", () => {
  const keep = (): boolean => false;
  const ranges = new Map([["x", [0, 1] as const]]);

  it.each([
    ["gemm", "fixed ranges"],
    ["matmul", "fixed ranges"],
    ["gemm", "ranges of the batch"],
    ["matmul", "ranges of the batch"],
    ["matmul", "in the training graph"],
  ] as const)("are right on every processor: %s, %s", async (op, how) => {
    const { graph, feeds } = worst(op);
    const bytes =
      how === "in the training graph"
        ? lower(graph, "cpu", { int8: true })
        : await quantise(graph, how === "fixed ranges" ? { keep, ranges } : { keep });
    const results = await run(bytes, feeds);
    const values = results[itemAt(graph.outputs, 0)]?.data as Float32Array;
    // Each sum is 256 products of 1; a step of an input is a 255th, one of a weight at least a
    // 127th.
    for (const value of values) expect(Math.abs(value / 256 - 1)).toBeLessThan(0.01);
  });
});
