import { expect, test } from "vitest";
import { itemAt } from "../../src/graph/item-at.ts";
import { differentiate, type Graph, GraphBuilder, lower, ops, type Tensor } from "../../src/index.ts";
import { numbers, random, run } from "../run.ts";

const [rows, width, hidden] = [24, 256, 320];

/**
 * A frozen layer of each spelling with a small trained one between them; the loss is the mean
 * square of what comes out.
 */
function trained(): { graph: Graph; feeds: Record<string, Tensor> } {
  const b = new GraphBuilder({ name: "layers", opset: 18 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [rows, width] });
  const down = b.input("down", { dtype: "float32", shape: [hidden, 4] });
  const up = b.input("up", { dtype: "float32", shape: [4, hidden] });
  const weight = (dims: readonly number[], seed: number): string => b.constant(random(dims, seed, 0.1), "weight");
  const first = o.tanh(o.gemm(x, weight([hidden, width], 1), { c: weight([hidden], 2), transB: true }));
  const adapted = o.add(first, o.matmul(o.matmul(first, down), up));
  const second = o.matmul(adapted, weight([hidden, width], 3));
  const loss = o.reduceMean(o.mul(second, second), [0, 1], false);
  const graph = differentiate(b.build([loss]), { loss, wrt: ["down", "up"], names: ["grad_down", "grad_up"] });
  const feeds = {
    x: random([rows, width], 4),
    down: random([hidden, 4], 5, 0.1),
    up: random([4, hidden], 6, 0.1),
  };
  return { graph, feeds };
}

const operators = (graph: Graph): string[] => graph.nodes.map((node) => node.op);

test("large products with constant weights go through bytes, forwards and backwards, and gradients stay within a few per cent", async () => {
  const { graph, feeds } = trained();
  const lowered = lower(graph, "cpu", { int8: true });
  // Forward through both layers, and back through the second: nothing below the first is trained.
  expect(operators(lowered).filter((op) => op === "DynamicQuantizeMatMul")).toHaveLength(3);
  const [exact, rounded] = [await run(graph, feeds), await run(lowered, feeds)];
  for (const name of ["grad_down", "grad_up"]) {
    const [a, b] = [numbers(exact[name]), numbers(rounded[name])];
    const length = Math.hypot(...a);
    const off = Math.hypot(...a.map((value, i) => value - itemAt(b, i))) / length;
    expect(off).toBeLessThan(0.03);
    expect(off).toBeGreaterThan(0);
  }
});

test("small weights stay, and a graph of only such is refused", () => {
  const b = new GraphBuilder({ name: "small", opset: 18 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [8, 255] });
  const graph = b.build([o.matmul(x, b.constant(random([255, 512], 1), "weight"))]);
  expect(() => lower(graph, "cpu", { int8: true })).toThrow(
    /"small" has no product with constant weights of 256 x 256/,
  );
});

test("only the CPU computes them", () => {
  expect(() => lower(trained().graph, "webgpu", { int8: true })).toThrow(/cpu, not webgpu/);
});

test("a column of zeros stays zero", async () => {
  const b = new GraphBuilder({ name: "zeros", opset: 18 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [8, 256] });
  const weight = random([256, 256], 1);
  for (let row = 0; row < 256; row++) (weight.data as Float32Array)[row * 256 + 7] = 0;
  const graph = b.build([o.matmul(x, b.constant(weight, "weight"))]);
  const [y = ""] = graph.outputs;
  const values = numbers((await run(lower(graph, "cpu", { int8: true }), { x: random([8, 256], 2) }))[y]);
  expect(values.filter((_, i) => i % 256 === 7)).toEqual(Array(8).fill(0));
  expect(Math.max(...values)).toBeGreaterThan(0);
});
