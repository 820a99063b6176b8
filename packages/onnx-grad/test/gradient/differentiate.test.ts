import { describe, expect, it } from "vitest";
import { itemAt } from "../../src/graph/item-at.ts";
import { differentiate, type Graph, GraphBuilder, int64, OnnxGradError, ops, upgradeOpset } from "../../src/index.ts";
import { expectClose, numbers, random, run } from "../run.ts";

const count = (graph: Graph, op: string) => graph.nodes.filter((node) => node.op === op).length;

/** sum((x w)^2) with x [2, 3] and w [3]. */
function squares() {
  const b = new GraphBuilder({ name: "squares", opset: 18 });
  const o = ops(b);
  b.input("x", { dtype: "float32", shape: [2, 3] });
  b.input("w", { dtype: "float32", shape: [3] });
  const product = o.mul("x", "w");
  const loss = o.reduceSum(o.mul(product, product), undefined, false);
  return { b, o, product, loss, feeds: { x: random([2, 3], 1), w: random([3], 2) } };
}

describe("differentiate", () => {
  it("puts out the loss, the gradients and what else was asked for, in this order", async () => {
    const { b, loss, product, feeds } = squares();
    const options = { loss, wrt: ["w", product], names: ["dw", "dp"], outputs: [product] };
    const graph = differentiate(b.build([loss]), options);
    expect(graph.outputs).toEqual([loss, "dw", "dp", product]);
    const result = await run(graph, feeds);
    const [x, w] = [numbers(feeds.x), numbers(feeds.w)];
    const dw = w.map((weight, i) => 2 * weight * (itemAt(x, i) ** 2 + itemAt(x, i + 3) ** 2));
    expectClose(numbers(result.dw), dw);
    expectClose(
      numbers(result.dp),
      numbers(result[product]).map((value) => 2 * value),
    );
  });

  it("names gradients after their values unless told otherwise", () => {
    const { b, loss } = squares();
    expect(differentiate(b.build([loss]), { loss, wrt: ["x"] }).outputs).toEqual([loss, "x.grad"]);
  });

  it("leaves the graph that it was given as it was", () => {
    const { b, loss } = squares();
    const graph = b.build([loss]);
    const before = JSON.stringify([graph.nodes, [...graph.types], [...graph.constants.keys()]]);
    differentiate(graph, { loss, wrt: ["x"] });
    expect(JSON.stringify([graph.nodes, [...graph.types], [...graph.constants.keys()]])).toBe(before);
  });

  it("differentiates by a constant", async () => {
    const b = new GraphBuilder({ name: "g", opset: 18 });
    const o = ops(b);
    b.input("x", { dtype: "float32", shape: [2, 3] });
    const w = o.floats([1, 2, 3, 4, 5, 6], [3, 2]);
    const loss = o.reduceSum(o.matmul("x", w), undefined, false);
    const x = random([2, 3], 1);
    const result = await run(differentiate(b.build([loss]), { loss, wrt: [w], names: ["dw"] }), { x });
    const [first, second] = [numbers(x).slice(0, 3), numbers(x).slice(3)];
    const sums = first.map((value, i) => value + itemAt(second, i));
    expectClose(
      numbers(result.dw),
      sums.flatMap((sum) => [sum, sum]),
    );
  });

  it("builds only what lies on the path", () => {
    const { b, o, loss } = squares();
    const graph = differentiate(b.build([loss]), { loss, wrt: ["w"], names: ["dw"] });
    const both = differentiate(b.build([loss]), { loss, wrt: ["w", "x"], names: ["dw", "dx"] });
    expect(count(graph, "Mul")).toBe(count(both, "Mul") - 1);
    // An operator without a rule does no harm beside the path.
    const detached = o.mul(b.add("Floor", [o.mul("x", 3)]), "w");
    const total = o.reduceSum(detached, undefined, false);
    expect(() => differentiate(b.build([total]), { loss: total, wrt: ["w"] })).not.toThrow();
  });

  it("names node and operator where a rule is missing", () => {
    const { b, o } = squares();
    const largest = itemAt(b.addAll("TopK", ["x", o.ints([1])], {}, { name: "largest", outputs: 2 }), 0);
    const loss = o.reduceSum(largest, undefined, false);
    const attempt = () => differentiate(b.build([loss]), { loss, wrt: ["x"] });
    expect(attempt).toThrow(OnnxGradError);
    expect(attempt).toThrow('TopK node "largest"');
  });

  it("refuses a loss that is no single number", () => {
    const { b, product } = squares();
    expect(() => differentiate(b.build([product]), { loss: product, wrt: ["x"] })).toThrow(
      "must be one floating point number",
    );
  });

  it("refuses a value that the loss does not depend on, or gives zeros on request", async () => {
    const { b, loss, feeds } = squares();
    b.input("unused", { dtype: "float32", shape: [2] });
    const graph = b.build([loss]);
    expect(() => differentiate(graph, { loss, wrt: ["unused"] })).toThrow('does not depend on "unused"');
    const zeros = differentiate(graph, { loss, wrt: ["unused"], names: ["z"], unreached: "zeros" });
    expect(numbers((await run(zeros, { ...feeds, unused: random([2], 1) })).z)).toEqual([0, 0]);
  });

  it("lets no gradient pass a fixed value, which keeps its number", async () => {
    const b = new GraphBuilder({ name: "fixed", opset: 18 });
    const o = ops(b);
    const x = b.input("x", { dtype: "float32", shape: [3] });
    const square = o.mul(x, x);
    const loss = o.reduceSum(o.mul(square, x), undefined, false);
    const graph = b.build([loss]);
    const point = { x: { dtype: "float32" as const, dims: [3], data: Float32Array.of(1, -2, 3) } };
    const whole = await run(differentiate(graph, { loss, wrt: ["x"], names: ["dx"] }), point);
    expect(numbers(whole.dx)).toEqual([3, 12, 27]);
    const half = await run(differentiate(graph, { loss, wrt: ["x"], names: ["dx"], fixed: [square] }), point);
    expect(numbers(half.dx)).toEqual([1, 4, 9]);
    expect(numbers(half[loss])).toEqual([20]);
    expect(() => differentiate(graph, { loss, wrt: ["x"], fixed: [loss] })).toThrow('does not depend on "x"');
  });

  it("refuses integers, unknown values, old operator sets and the wrong number of names", () => {
    const { b, loss } = squares();
    b.input("i", { dtype: "int64", shape: [2] });
    const graph = b.build([loss]);
    expect(() => differentiate(graph, { loss, wrt: ["i"] })).toThrow('"i" is int64');
    expect(() => differentiate(graph, { loss, wrt: ["nowhere"] })).toThrow('"nowhere"');
    expect(() => differentiate(graph, { loss: "nowhere", wrt: ["x"] })).toThrow('"nowhere"');
    expect(() => differentiate({ ...graph, opset: 17 }, { loss, wrt: ["x"] })).toThrow("upgradeOpset");
    expect(() => differentiate(graph, { loss, wrt: ["x"], names: [] })).toThrow("0 names");
  });

  it("refuses an attribute it cannot honour, with the node's name", () => {
    const { b, o } = squares();
    const image = o.unsqueeze("x", [0, 1]);
    const smooth = { antialias: { int: 1 }, mode: { string: "linear" } };
    const small = b.add("Resize", [image, "", o.floats([1, 1, 0.5, 0.5])], smooth, { name: "shrink" });
    const loss = o.reduceSum(small, undefined, false);
    expect(() => differentiate(b.build([loss]), { loss, wrt: ["x"] })).toThrow('Resize node "shrink": antialias');
  });

  it("turns the pieces of one flat vector into exactly one Concat", () => {
    const b = new GraphBuilder({ name: "theta", opset: 18 });
    const o = ops(b);
    b.input("theta", { dtype: "float32", shape: [20] });
    const [first, second, unused] = o.split("theta", [6, 6, 8]) as [string, string, string];
    const product = o.matmul(o.reshape(first, [2, 3]), o.reshape(second, [3, 2]));
    const loss = o.reduceSum(o.mul(product, product), undefined, false);
    const graph = differentiate(b.build([loss, unused]), { loss, wrt: ["theta"] });
    expect(count(graph, "Concat")).toBe(1);
    expect(count(graph, "Pad")).toBe(0);
  });

  it("works with an open batch", async () => {
    const b = new GraphBuilder({ name: "open", opset: 18 });
    const o = ops(b);
    const batch = { symbol: "N", times: 1 };
    b.input("x", { dtype: "float32", shape: [batch, 2, 4, 4] });
    const kernel = b.constant(random([2, 1, 3, 3], 3));
    const features = o.relu(o.conv("x", kernel, { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }));
    const flat = o.reshape(features, [batch, 8]);
    const weights = b.constant(random([8, 3], 4));
    const scores = o.softmax(o.matmul(flat, weights));
    const loss = o.reduceMean(o.mul(scores, scores), undefined, false);
    const open = differentiate(b.build([loss]), { loss, wrt: ["x", weights, kernel], names: ["dx", "dw", "dk"] });
    const x = random([3, 2, 4, 4], 5);
    const result = await run(open, { x });
    const types = new Map(open.types).set("x", { dtype: "float32", shape: x.dims });
    expect(result.dx?.dims).toEqual([3, 2, 4, 4]);
    // Against finite differences in single elements.
    for (const at of [0, 17, 50]) {
      const moved = (step: number) => {
        const data = (x.data as Float32Array).slice();
        data[at] = itemAt(data, at) + step;
        return run({ ...open, types }, { x: { ...x, data } as typeof x });
      };
      const [up, down] = [await moved(0.02), await moved(-0.02)];
      const difference = (itemAt(numbers(up[loss]), 0) - itemAt(numbers(down[loss]), 0)) / 0.04;
      expect(numbers(result.dx)[at]).toBeCloseTo(difference, 4);
    }
  });

  it("works with an open batch where rows are gathered and pieces go unused", async () => {
    const b = new GraphBuilder({ name: "open", opset: 18 });
    const o = ops(b);
    b.input("x", { dtype: "float32", shape: [{ symbol: "N", times: 1 }, 5, 4] });
    const first = o.gather("x", b.constant(int64(0)), 1);
    const picked = o.gather("x", b.constant(int64([3, 1, 3])), 1);
    const [, second] = o.split(picked, [1, 3], 2) as [string, string];
    const loss = o.add(o.reduceSum(o.mul(first, first), undefined, false), o.reduceSum(second, undefined, false));
    const x = random([2, 5, 4], 1);
    const result = await run(differentiate(b.build([loss]), { loss, wrt: ["x"], names: ["dx"] }), { x });
    const times = [0, 1, 0, 2, 0];
    const expected = numbers(x).map((value, i) => {
      const [row, column] = [Math.floor(i / 4) % 5, i % 4];
      return (row === 0 ? 2 * value : 0) + (column > 0 ? itemAt(times, row) : 0);
    });
    expect(result.dx?.dims).toEqual([2, 5, 4]);
    expectClose(numbers(result.dx), expected);
  });

  it("takes a Split whose unused piece has no name", async () => {
    const b = new GraphBuilder({ name: "nameless", opset: 18 });
    const o = ops(b);
    b.input("x", { dtype: "float32", shape: [5] });
    const sizes = o.ints([2, 3]);
    b.push({ op: "Split", domain: "", name: "cut", inputs: ["x", sizes], outputs: ["", "tail"], attributes: {} });
    const loss = o.reduceSum("tail", undefined, false);
    const graph = differentiate(b.build([loss]), { loss, wrt: ["x"], names: ["dx"] });
    expect(numbers((await run(graph, { x: random([5], 1) })).dx)).toEqual([0, 0, 1, 1, 1]);
  });

  it("keeps the bits of the forward pass where it rewrites PRelu", async () => {
    const b = new GraphBuilder({ name: "prelu", opset: 18 });
    const o = ops(b);
    b.input("x", { dtype: "float32", shape: [2, 6, 5, 5] });
    const y = o.prelu("x", o.floats([0.25, 0, 1, -0.7, 1.3, 0.1], [6, 1, 1]));
    const loss = o.reduceSum(y, undefined, false);
    const graph = b.build([loss, y]);
    const x = random([2, 6, 5, 5], 1);
    x.data[7] = 0;
    const gradient = differentiate(graph, { loss, wrt: ["x"], outputs: [y] });
    expect(count(gradient, "PRelu")).toBe(0);
    expect(numbers((await run(gradient, { x }))[y])).toEqual(numbers((await run(graph, { x }))[y]));
  });

  it("accepts graphs that upgradeOpset brought up", () => {
    const { b, loss } = squares();
    const old: Graph = { ...b.build([loss]), opset: 17 };
    expect(upgradeOpset(old).opset).toBe(18);
    expect(() => differentiate(upgradeOpset(old), { loss, wrt: ["x"] })).not.toThrow();
  });
});
