import fc from "fast-check";
import { expect, test } from "vitest";
import { itemAt } from "../../src/graph/item-at.ts";
import {
  type Dim,
  differentiate,
  type Graph,
  GraphBuilder,
  lower,
  type Ops,
  ops,
  type Shape,
} from "../../src/index.ts";
import { expectClose, numbers, random, run } from "../run.ts";

/** A graph of the inputs a and b with one output. */
function graphOf(a: Shape, b: Shape, build: (o: Ops, a: string, b: string) => string): Graph {
  const builder = new GraphBuilder({ name: "cpu", opset: 20 });
  const inputs = [a, b].map((shape, i) => builder.input(i === 0 ? "a" : "b", { dtype: "float32", shape }));
  return builder.build([build(ops(builder), itemAt(inputs, 0), itemAt(inputs, 1))]);
}

/**
 * Runs a graph as it is and lowered for the CPU; expects equal results, and returns the operators
 * of the lowered one.
 */
async function operatorsAfter(graph: Graph, seed = 1): Promise<string[]> {
  const feeds = Object.fromEntries(
    graph.inputs.map((name, i) => [name, random(graph.types.get(name)?.shape as readonly number[], seed + i)]),
  );
  const lowered = lower(graph, "cpu");
  const [output = ""] = graph.outputs;
  expect(lowered.types.get(output)).toEqual(graph.types.get(output));
  expectClose(numbers((await run(lowered, feeds))[output]), numbers((await run(graph, feeds))[output]), 1e-4);
  return lowered.nodes.map((node) => node.op).filter((op) => op !== "Identity" && op !== "Reshape");
}

test("a long product with a small result is the same in pieces, whichever side is the thinner", async () => {
  const sides = fc.integer({ min: 1, max: 90 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(500, 784, 800, 1009), sides, sides, async (rows, m, n) => {
      const graph = graphOf([rows, m], [rows, n], (o, a, b) => o.gemm(a, b, { transA: true }));
      const found = await operatorsAfter(graph, m + n);
      // 1009 is a prime number: it has no pieces. From 65 columns on a product is shared out well
      // as it is.
      expect(found.includes("Gemm")).toBe(rows === 1009 || Math.min(m, n) > 64);
    }),
    { numRuns: 15 },
  );
});

test("a product that is scaled, biased or turned otherwise stays", async () => {
  const scaled = graphOf([800, 3], [800, 4], (o, a, b) => o.gemm(a, b, { transA: true, alpha: 2 }));
  expect(await operatorsAfter(scaled)).toEqual(["Gemm"]);
  const other = graphOf([3, 800], [800, 4], (o, a, b) => o.gemm(a, b));
  expect(await operatorsAfter(other)).toEqual(["Gemm"]);
});

test("a turned product turns its operands instead, also one that is turned back", async () => {
  const plain = graphOf([2, 3, 4], [2, 4, 5], (o, a, b) => o.swap(o.matmul(a, b)));
  expect(await operatorsAfter(plain)).toEqual(["Transpose", "Transpose", "MatMul"]);
  const back = graphOf([2, 4, 3], [2, 5, 4], (o, a, b) => o.swap(o.matmul(o.swap(a), o.swap(b))));
  expect(await operatorsAfter(back)).toEqual(["MatMul"]);
});

test("a product that is also used as it is stays", async () => {
  const graph = graphOf([2, 3, 3], [2, 3, 3], (o, a, b) => {
    const product = o.matmul(a, b);
    return o.add(product, o.swap(product));
  });
  expect(await operatorsAfter(graph)).toEqual(["MatMul", "Transpose", "Add"]);
});

test("transposes in a row are one, or none", async () => {
  const turned = graphOf([2, 3, 4], [4, 2, 3], (o, a, b) => {
    const once = o.transpose(a, [2, 0, 1]);
    return o.add(o.transpose(o.transpose(once, [1, 2, 0]), [2, 0, 1]), b);
  });
  expect(await operatorsAfter(turned)).toEqual(["Transpose", "Add"]);
});

/** Weights that differ from place to place. */
const weights = (o: Ops, ...dims: number[]): string => {
  const length = dims.reduce((product, size) => product * size, 1);
  return o.floats(
    Float32Array.from({ length }, (_, i) => Math.sin(i) / 8),
    dims,
  );
};

/** Two layers with a function of each element between them, the first output `width` wide. */
const layers = (o: Ops, a: string, width: number, between = (x: string) => o.builder.add("Gelu", [x])): string => {
  const wide = o.add(o.matmul(a, weights(o, 4, width)), weights(o, width));
  return o.matmul(between(wide), weights(o, width, 3));
};

/** The widths that products of a graph sum over. */
const depths = (graph: Graph): (Dim | undefined)[] =>
  graph.nodes
    .filter(({ op }) => op === "MatMul" || op === "Gemm")
    .map(({ inputs: [x = ""] }) => graph.types.get(x)?.shape.at(-1));

test("rows of 4096 bytes get more columns between two products, with the gradient too", async () => {
  const forward = graphOf([2, 5, 4], [2, 5, 3], (o, a, b) => {
    const loss = o.mul(layers(o, a, 1024), b);
    return o.reduceMean(loss, [0, 1, 2], false);
  });
  const training = differentiate(forward, { loss: itemAt(forward.outputs, 0), wrt: ["a"] });
  expect(depths(lower(training, "cpu"))).toEqual([4, 1040, 3, 1040]);
  const feeds = { a: random([2, 5, 4], 1), b: random([2, 5, 3], 2) };
  const [plain, lowered] = [await run(training, feeds), await run(lower(training, "cpu"), feeds)];
  for (const output of training.outputs) expectClose(numbers(lowered[output]), numbers(plain[output]), 1e-6);
});

test("rows of other lengths stay, and those that are needed as they are", async () => {
  const check = async (build: (o: Ops, a: string, b: string) => string, width: number): Promise<void> => {
    const graph = graphOf([5, 4], [5, 1024], build);
    await operatorsAfter(graph);
    expect(depths(lower(graph, "cpu"))).toContain(width);
  };
  await check((o, a) => layers(o, a, 1000), 1000);
  await check((o, a) => layers(o, a, 1024, (x) => o.softmax(x)), 1024);
  await check((o, a) => layers(o, a, 1024, (x) => o.div(1, o.add(x, 9))), 1024);
  await check((o, a, b) => layers(o, a, 1024, (x) => o.add(x, b)), 1024);
  await check((o, a) => layers(o, a, 2048, (x) => o.mul(o.relu(x), weights(o, 2048))), 2064);
  await check((o, a) => layers(o, a, 1024, (x) => o.reshape(o.tanh(x), [1, 5, 1024])), 1040);
});

test("8-bit products keep their constant weights", () => {
  const graph = graphOf([300, 300], [1], (o, a) => {
    const wide = o.relu(o.matmul(a, weights(o, 300, 1024)));
    return o.matmul(wide, weights(o, 1024, 300));
  });
  const found = lower(graph, "cpu", { int8: true }).nodes.map(({ op }) => op);
  expect(found).toEqual(["DynamicQuantizeMatMul", "Relu", "DynamicQuantizeMatMul"]);
});

test("a graph that runs a few times only gets no more columns, and computes the same", async () => {
  const graph = graphOf([5, 4], [5, 1024], (o, a) => {
    const hidden = o.relu(o.matmul(a, weights(o, 4, 1024)));
    return o.matmul(hidden, weights(o, 1024, 4));
  });
  const [long, brief] = [lower(graph, "cpu"), lower(graph, "cpu", { brief: true })];
  const hasColumns = ({ nodes }: Graph): boolean => nodes.some(({ op }) => op === "Concat");
  expect([hasColumns(long), hasColumns(brief)]).toEqual([true, false]);
  const feeds = { a: random([5, 4], 1), b: random([5, 1024], 2) };
  const [output = ""] = graph.outputs;
  const values = async (lowered: Graph) => numbers((await run(lowered, feeds))[output]);
  expectClose(await values(brief), await values(long), 1e-6);
});
