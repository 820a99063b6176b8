import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Graph, GraphBuilder, lower, type Ops, ops, type Tensor } from "../../src/index.ts";
import { expectClose, numbers, random, run } from "../run.ts";

/** A graph of one input. */
function graphOf(
  dims: readonly (number | { symbol: string; times: number })[],
  build: (o: Ops, x: string) => string[],
): Graph {
  const b = new GraphBuilder({ name: "webgpu", opset: 18 });
  const x = b.input("x", { dtype: "float32", shape: dims });
  return b.build(build(ops(b), x));
}

/**
 * Runs the graph as it is and as lowered for WebGPU, both on the CPU: the lowered form is made of
 * plain operators.
 */
async function bothWays(graph: Graph, feeds: Record<string, Tensor>): Promise<[number[][], number[][]]> {
  const lowered = lower(graph, "webgpu");
  expect(lowered.inputs).toEqual(graph.inputs);
  expect(lowered.outputs).toEqual(graph.outputs);
  const [plain, changed] = [await run(graph, feeds), await run(lowered, feeds)];
  return [graph.outputs.map((name) => numbers(plain[name])), graph.outputs.map((name) => numbers(changed[name]))];
}

const opsOf = (graph: Graph): Set<string> => new Set(graph.nodes.map((node) => node.op));

describe("lowering for WebGPU", () => {
  test("the places of MaxPool's maxima are the same numbers, whatever the window, also among equals", async () => {
    const axis = fc.record({
      size: fc.integer({ min: 3, max: 7 }),
      kernel: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      before: fc.integer({ min: 0, max: 2 }),
      after: fc.integer({ min: 0, max: 2 }),
    });
    const fits = (a: { size: number; kernel: number; dilation: number; before: number; after: number }): boolean =>
      (a.kernel - 1) * a.dilation + 1 <= a.size && a.before < a.kernel && a.after < a.kernel;
    // A last window that would start in the padding is dropped by onnxruntime's kernel but not by
    // its shape inference.
    const agreed = (a: {
      size: number;
      kernel: number;
      stride: number;
      dilation: number;
      before: number;
      after: number;
    }) =>
      Math.ceil((a.size + a.before + a.after - (a.kernel - 1) * a.dilation - 1) / a.stride) * a.stride <
      a.size + a.before;
    const axes = fc.array(axis.filter(fits).filter(agreed), { minLength: 1, maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(axes, fc.boolean(), fc.integer({ min: 0, max: 1000 }), async (all, ceil, seed) => {
        const dims = [2, 3, ...all.map(({ size }) => size)];
        const graph = graphOf(dims, (o, x) =>
          o.builder.addAll(
            "MaxPool",
            [x],
            {
              kernel_shape: { ints: all.map(({ kernel }) => kernel) },
              strides: { ints: all.map(({ stride }) => stride) },
              dilations: { ints: all.map(({ dilation }) => dilation) },
              pads: { ints: [...all.map(({ before }) => before), ...all.map(({ after }) => after)] },
              ...(ceil && { ceil_mode: { int: 1 } }),
            },
            { outputs: 2 },
          ),
        );
        // Whole numbers from -2 to 2, so that windows hold equals.
        const x = {
          ...random(dims, seed),
          data: (random(dims, seed).data as Float32Array).map((v) => Math.round(2 * v) + 0),
        };
        const [plain, changed] = await bothWays(graph, { x: x as Tensor });
        expect(changed).toEqual(plain);
      }),
      { numRuns: 60, seed: 4 },
    );
  });

  test("a MaxPool whose places nobody wants stays", () => {
    const graph = graphOf([1, 1, 4, 4], (o, x) => [o.builder.add("MaxPool", [x], { kernel_shape: { ints: [2, 2] } })]);
    expect(lower(graph, "webgpu")).toBe(graph);
  });

  test("operators without a kernel are put in operators that WebGPU has", async () => {
    const graph = graphOf([3, 4], (o, x) => [
      o.logSoftmax(x, 0),
      o.logSoftmax(o.mul(x, 100)),
      o.builder.add("Sum", [x, o.neg(x), o.exp(x), x]),
      o.builder.add("Mean", [x, o.floats([1, 2, 3, 4]), o.scalar(3)]),
      o.sign(o.max(x, 0)),
      o.sign(x),
      o.builder.add("Sum", [x]),
      o.builder.add("Softsign", [o.mul(x, 9)]),
      o.builder.add("Selu", [o.mul(x, 9)]),
      o.builder.add("Selu", [x], { alpha: { float: 0.5 }, gamma: { float: 2 } }),
      o.builder.add("Celu", [o.mul(x, 999)], { alpha: { float: 0.3 } }),
      o.builder.add("SpaceToDepth", [o.tile(o.reshape(x, [1, 2, 2, 3]), [1, 1, 1, 2])], { blocksize: { int: 2 } }),
    ]);
    const [plain, changed] = await bothWays(graph, { x: random([3, 4], 7) });
    plain.forEach((values, i) => {
      const largest = Math.max(...values.map(Math.abs));
      expectClose(changed[i], values, 1e-6 * largest);
    });
    const left = opsOf(lower(graph, "webgpu"));
    for (const op of ["LogSoftmax", "Sum", "Mean", "Sign", "Softsign", "Selu", "Celu", "SpaceToDepth"])
      expect(left).not.toContain(op);
    expect(opsOf(lower(graph, "wasm"))).toEqual(opsOf(graph));
  });

  test("no Split or Concat needs more buffers than every WebGPU device has", async () => {
    const graph = graphOf([60, 3], (o, x) => {
      const pieces = o.split(x, [...Array.from({ length: 57 }, () => 1), 3], -2);
      return [...pieces.slice(0, 3), o.concat([...pieces].reverse(), 0), o.concat(pieces.slice(0, 8), -1)];
    });
    const [plain, changed] = await bothWays(graph, { x: random([60, 3], 1) });
    expect(changed).toEqual(plain);
    for (const { op, inputs, outputs } of lower(graph, "webgpu").nodes) {
      if (op === "Concat" || op === "Split") expect(Math.max(inputs.length, outputs.length)).toBeLessThanOrEqual(7);
    }
  });

  test("an open batch stays open", async () => {
    const graph = graphOf([{ symbol: "N", times: 1 }, 5], (o, x) => [o.logSoftmax(o.builder.add("Sum", [x, x, x]))]);
    for (const batch of [1, 3]) {
      const [plain, changed] = await bothWays(graph, { x: random([batch, 5], batch) });
      expectClose(changed.flat(), plain.flat(), 1e-5);
    }
  });
});
