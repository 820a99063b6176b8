import { describe, expect, it } from "vitest";
import { type Attributes, type Graph, GraphBuilder, int64, type Tensor, upgradeOpset } from "../src/index.ts";
import { expectClose, numbers, random, run } from "./run.ts";

type Forms = readonly [
  name: string,
  opset: number,
  op: string,
  attributes: Attributes,
  more?: readonly Tensor[],
  outputs?: number,
];

const ints = (...values: number[]) => ({ ints: values });
const int = (value: number) => ({ int: value });

const forms: Forms[] = [
  ["Clip", 7, "Clip", { min: { float: -0.2 }, max: { float: 0.3 } }],
  ["Clip from below", 10, "Clip", { min: { float: 0 } }],
  ["Clip from above", 10, "Clip", { max: { float: 0.1 } }],
  ["Pad", 10, "Pad", { pads: ints(0, 1, 0, 2, 1, 0, 0, 1), value: { float: 0.5 } }],
  ["Split", 11, "Split", { axis: int(1), split: ints(1, 3) }, [], 2],
  ["Split in equal parts", 11, "Split", { axis: int(1) }, [], 2],
  ["Split in equal parts, 13", 13, "Split", { axis: int(1) }, [], 2],
  ["Split by input", 13, "Split", { axis: int(1) }, [int64([3, 1])], 2],
  ["Softmax over the rest", 11, "Softmax", { axis: int(1) }],
  ["Softmax over everything", 11, "Softmax", { axis: int(0) }],
  ["Softmax from behind", 11, "Softmax", { axis: int(-2) }],
  ["Softmax over the last axis", 11, "Softmax", { axis: int(3) }],
  ["Softmax by default", 11, "Softmax", {}],
  ["LogSoftmax", 9, "LogSoftmax", { axis: int(2) }],
  ["Softmax of 13", 13, "Softmax", { axis: int(1) }],
  ["Dropout", 7, "Dropout", { ratio: { float: 0.4 } }],
  ["Slice", 9, "Slice", { starts: ints(1, -3), ends: ints(3, 9), axes: ints(1, 3) }],
  ["Slice of the first axes", 9, "Slice", { starts: ints(0, 1), ends: ints(1, 3) }],
  ["Unsqueeze", 11, "Unsqueeze", { axes: ints(0, 2) }],
  ["Squeeze", 11, "Squeeze", { axes: ints(0) }],
  ["ReduceSum", 11, "ReduceSum", { axes: ints(1, 3), keepdims: int(0) }],
  ["ReduceSum of all", 11, "ReduceSum", {}],
  ["ReduceMean", 17, "ReduceMean", { axes: ints(-1), keepdims: int(1) }],
  ["ReduceMax", 13, "ReduceMax", { axes: ints(2), keepdims: int(0) }],
  ["ReduceL2", 11, "ReduceL2", { axes: ints(1) }],
  ["ReduceLogSumExp", 11, "ReduceLogSumExp", { axes: ints(1, 2) }],
  ["PRelu", 9, "PRelu", {}, [random([4, 1, 1], 3)]],
  [
    "BatchNormalization",
    9,
    "BatchNormalization",
    { epsilon: { float: 1e-3 } },
    [random([4], 3), random([4], 4), random([4], 5), positive([4])],
  ],
  ["Conv", 7, "Conv", { group: int(2), pads: ints(1, 1, 1, 1) }, [random([6, 2, 3, 3], 3)]],
];

function positive(dims: number[]): Tensor {
  const { data } = random(dims, 9);
  return { dtype: "float32", dims, data: Float32Array.from(data as Float32Array, (value) => value + 1.5) };
}

/** A graph of one node with random constants, in the operator set's own form. */
function graphOf([, opset, op, attributes, more = [], outputs = 1]: Forms): Graph {
  const b = new GraphBuilder({ name: op, opset });
  b.input("x", { dtype: "float32", shape: [1, 4, 3, 5] });
  return b.build(b.addAll(op, ["x", ...more.map((tensor) => b.constant(tensor))], attributes, { outputs }));
}

describe("upgradeOpset", () => {
  it.each(forms)("%s of operator set %i computes the same", async (...form) => {
    const graph = graphOf(form as unknown as Forms);
    const upgraded = upgradeOpset(graph);
    expect(upgraded.opset).toBe(18);
    const x = random([1, 4, 3, 5], 8);
    const [before, after] = [await run(graph, { x }), await run(upgraded, { x })];
    for (const output of graph.outputs) {
      expect(after[output]?.dims).toEqual(before[output]?.dims);
      expectClose(numbers(after[output]), numbers(before[output]), 1e-6);
    }
  });

  it("returns graphs that are there already", () => {
    const graph = graphOf(["ReduceSum", 20, "ReduceSum", {}]);
    expect(upgradeOpset(graph)).toBe(graph);
  });

  it("refuses operator sets before 7 and operators it does not know", () => {
    const graph = graphOf(["Clip", 10, "Clip", { min: { float: 0 } }]);
    expect(() => upgradeOpset({ ...graph, opset: 6 })).toThrow("operator set 6 is too old");
    const nodes = graph.nodes.map((node) => ({ ...node, op: "Upsample", name: "grow" }));
    expect(() => upgradeOpset({ ...graph, nodes })).toThrow('Upsample node "grow"');
  });
});
