import { describe, expect, it } from "vitest";
import {
  type Attributes,
  downgradeOpset,
  encodeModel,
  float32,
  type Graph,
  GraphBuilder,
  int64,
  ops,
  type Tensor,
} from "../../src/index.ts";
import { expectClose, numbers, random, run } from "../run.ts";

const ints = (...values: number[]) => ({ ints: values });
const int = (value: number) => ({ int: value });
const text = (value: string) => ({ string: value });

type Form = readonly [name: string, op: string, attributes: Attributes, more?: readonly Tensor[], outputs?: number];

const empty = float32([]);

/** Forms of operator set 20 of which some older set has another. */
const forms: Form[] = [
  ["ReduceMean", "ReduceMean", { keepdims: int(0) }, [int64([-1, 1])]],
  ["ReduceMean of all", "ReduceMean", {}],
  ["ReduceL2", "ReduceL2", {}, [int64([1])]],
  ["ReduceSum", "ReduceSum", {}, [int64([3])]],
  ["ReduceSum of nothing", "ReduceSum", { noop_with_empty_axes: int(1) }],
  ["Squeeze", "Squeeze", {}, [int64([0])]],
  ["Unsqueeze", "Unsqueeze", {}, [int64([0, 3])]],
  ["Split", "Split", { axis: int(1) }, [int64([1, 3])], 2],
  ["Split in equal parts", "Split", { axis: int(1), num_outputs: int(2) }, [], 2],
  ["Split with a smaller part", "Split", { axis: int(-1), num_outputs: int(2) }, [], 2],
  ["Softmax", "Softmax", {}],
  ["Softmax over channels", "Softmax", { axis: int(1) }],
  ["LogSoftmax over rows", "LogSoftmax", { axis: int(-2) }],
  ["LayerNormalization", "LayerNormalization", {}, [random([5], 2), random([5], 3)]],
  ["LayerNormalization of more axes", "LayerNormalization", { axis: int(2) }, [random([3, 5], 2)]],
  ["Gelu", "Gelu", {}],
  ["Gelu by tanh", "Gelu", { approximate: text("tanh") }],
  ["HardSwish", "HardSwish", {}],
  ["Clip", "Clip", {}, [float32(-0.2), float32(0.3)]],
  ["Pad", "Pad", {}, [int64([1, 0, 0, 2]), float32(0.5), int64([-1, 1])]],
  ["Resize", "Resize", { mode: text("linear") }, [empty, float32([1, 1, 2, 0.7])]],
  ["Resize to sizes", "Resize", { mode: text("linear") }, [empty, empty, int64([1, 4, 6, 7])]],
  ["Reshape", "Reshape", { allowzero: int(0) }, [int64([4, -1])]],
  ["PRelu", "PRelu", {}, [random([4, 1, 1], 3)]],
  ["ArgMax", "ArgMax", { axis: int(1), select_last_index: int(0) }],
  ["AveragePool", "AveragePool", { kernel_shape: ints(2, 2), dilations: ints(1, 1) }],
  [
    "BatchNormalization",
    "BatchNormalization",
    { training_mode: int(0) },
    [random([4], 3), random([4], 4), random([4], 5), float32([0.5, 1, 1.5, 2])],
  ],
];

function graphOf([, op, attributes, more = [], outputs = 1]: Form, opset = 20): Graph {
  const b = new GraphBuilder({ name: op, opset });
  b.input("x", { dtype: "float32", shape: [1, 4, 3, 5] });
  const constants = more.map((tensor) => (tensor.data.length === 0 ? "" : b.constant(tensor)));
  return b.build(b.addAll(op, ["x", ...constants], attributes, { outputs }));
}

describe("downgradeOpset", () => {
  it.each(forms)("%s computes the same in older operator sets", async (...form) => {
    const graph = graphOf(form as unknown as Form);
    const x = random([1, 4, 3, 5], 8);
    const before = await run(graph, { x });
    for (const opset of [17, 13, 12, 11]) {
      const older = downgradeOpset(graph, opset);
      expect([older.opset, older.inputs, older.outputs]).toEqual([opset, graph.inputs, graph.outputs]);
      const after = await run(older, { x });
      for (const output of graph.outputs) {
        expect(after[output]?.dims).toEqual(before[output]?.dims);
        expectClose(numbers(after[output]), numbers(before[output]), 1e-6);
      }
    }
  });

  it.each(["LessOrEqual", "GreaterOrEqual"])("%s is false of what is no number", async (op) => {
    const b = new GraphBuilder({ name: op, opset: 18 });
    b.input("x", { dtype: "float32", shape: [4] });
    const graph = b.build([b.add(op, ["x", b.constant(float32([1, 1, 1, 1]))])]);
    const feeds = { x: float32([0, 1, 2, Number.NaN]) };
    const [output = ""] = graph.outputs;
    const wanted = op === "LessOrEqual" ? [1, 1, 0, 0] : [0, 1, 1, 0];
    for (const opset of [18, 11])
      expect(numbers((await run(downgradeOpset(graph, opset), feeds))[output])).toEqual(wanted);
  });

  it("names the operator that stands in the way", () => {
    const einsum = new GraphBuilder({ name: "einsum", opset: 18 });
    einsum.input("x", { dtype: "float32", shape: [2, 2] });
    const graph = einsum.build([einsum.add("Einsum", ["x"], { equation: text("ii->i") }, { name: "diagonal" })]);
    expect(downgradeOpset(graph, 12).opset).toBe(12);
    expect(() => downgradeOpset(graph, 11)).toThrow('Einsum node "diagonal": operator set 11 has nothing for it');
    const axes = graphOf(["", "Resize", { axes: ints(2, 3) }, [empty, float32([2, 2])]]);
    expect(() => downgradeOpset(axes, 17)).toThrow('its attribute "axes" came with operator set 18');
    const b = new GraphBuilder({ name: "whole", opset: 18 });
    b.input("x", { dtype: "int64", shape: [2] });
    const whole = b.build([ops(b).relu(ops(b).max("x", 1))]);
    expect(() => downgradeOpset(whole, 13)).toThrow("Relu node");
    expect(() => downgradeOpset(whole, 11)).toThrow("Max node");
  });

  it("refuses operator sets before 11 and leaves graphs that are old enough", () => {
    const graph = graphOf(["", "Relu", {}], 13);
    expect(() => downgradeOpset(graph, 10)).toThrow("the oldest is 11");
    expect(downgradeOpset(graph, 13)).toBe(graph);
    expect(downgradeOpset(graph, 20)).toBe(graph);
  });

  it.each([
    [11, 6],
    [13, 7],
    [18, 8],
    [20, 9],
    [21, 10],
  ])("a file of operator set %i is of format %i", (opset, format) => {
    // ir_version is field 1 of ModelProto, a varint, and written first.
    expect([...encodeModel(graphOf(["", "Relu", {}], opset)).subarray(0, 2)]).toEqual([8, format]);
  });
});
