import { describe, expect, it } from "vitest";
import {
  type Attributes,
  checkGradients,
  float32,
  type Graph,
  GraphBuilder,
  int64,
  ops,
  proveBatch,
  setBatch,
  type Tensor,
  upgradeOpset,
} from "../../src/index.ts";
import { expectClose, numbers, random, run } from "../run.ts";

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

const half = (mode: string): Attributes => ({ coordinate_transformation_mode: { string: mode } });
const empty = float32([]);

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
  [
    "BatchNormalization of the batch",
    9,
    "BatchNormalization",
    { momentum: { float: 0.7 } },
    [random([4], 3), random([4], 4), random([4], 5), positive([4])],
    5,
  ],
  [
    "BatchNormalization of the batch, 13",
    13,
    "BatchNormalization",
    {},
    [random([4], 3), random([4], 4), random([4], 5), positive([4])],
    5,
  ],
  [
    "BatchNormalization by element",
    7,
    "BatchNormalization",
    { spatial: int(0), epsilon: { float: 1e-3 } },
    [random([4, 3, 5], 3), random([4, 3, 5], 4), random([4, 3, 5], 5), positive([4, 3, 5])],
  ],
  ["Upsample, nearest", 7, "Upsample", { scales: { floats: [1, 1, 2, 3] } }],
  ["Upsample, linear", 9, "Upsample", { mode: { string: "linear" } }, [float32([1, 1, 2, 1.5])]],
  ["Resize, nearest, larger", 10, "Resize", {}, [float32([1, 1, 2, 1.7])]],
  ["Resize, nearest, smaller", 10, "Resize", {}, [float32([1, 1, 0.5, 0.7])]],
  ["Resize, nearest, larger and smaller", 10, "Resize", {}, [float32([1, 2, 1.5, 0.7])]],
  ["Resize, linear", 10, "Resize", { mode: { string: "linear" } }, [float32([1, 1, 0.7, 2])]],
  ["Resize, tf_half_pixel_for_nn", 11, "Resize", half("tf_half_pixel_for_nn"), [empty, float32([1, 1, 2, 0.7])]],
  ["Resize, pytorch_half_pixel", 11, "Resize", half("pytorch_half_pixel"), [empty, float32([1, 1, 2, 0.7])]],
  ["Resize to sizes", 11, "Resize", { mode: { string: "linear" } }, [empty, empty, int64([1, 4, 6, 7])]],
  ["TopK", 9, "TopK", { k: int(2), axis: int(3) }, [], 2],
  ["Scatter", 9, "Scatter", { axis: int(1) }, [int64([2], [1, 1, 1, 1]), random([1, 1, 1, 1], 4)]],
  ["Einsum", 12, "Einsum", { equation: { string: "...ij,jk->...ik" } }, [random([5, 2], 4)]],
  ["GroupNormalization", 18, "GroupNormalization", { num_groups: int(2) }, [random([2], 4), random([2], 5)]],
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
  const all = b.addAll(op, ["x", ...more.map((tensor) => b.constant(tensor))], attributes, { outputs });
  return b.build(op === "BatchNormalization" ? all.slice(0, 3) : all);
}

describe("upgradeOpset", () => {
  it.each(forms)("%s of operator set %i computes the same", async (...form) => {
    const graph = graphOf(form as unknown as Forms);
    const x = random([1, 4, 3, 5], 8);
    const before = await run(graph, { x });
    for (const opset of [18, 22]) {
      const upgraded = upgradeOpset(graph, opset);
      expect(upgraded.opset).toBe(opset);
      const after = await run(upgraded, { x });
      for (const output of graph.outputs) {
        expect(after[output]?.dims).toEqual(before[output]?.dims);
        expectClose(numbers(after[output]), numbers(before[output]), 1e-6);
      }
    }
  });

  it("rewrites what onnxruntime cannot run, at any operator set", async () => {
    const b = new GraphBuilder({ name: "ellipses", opset: 20 });
    b.input("x", { dtype: "float32", shape: [2, 3, 4] });
    const y = b.add("Einsum", ["x", b.constant(random([4, 3], 2))], { equation: { string: "...ij, ...jk" } });
    const upgraded = upgradeOpset(b.build([y]));
    const x = random([2, 3, 4], 8);
    const plain = new GraphBuilder({ name: "product", opset: 20 });
    plain.input("x", { dtype: "float32", shape: [2, 3, 4] });
    const product = plain.add("MatMul", ["x", plain.constant(random([4, 3], 2))]);
    const [left, right] = [await run(upgraded, { x }), await run(plain.build([product]), { x })];
    expectClose(numbers(left[y]), numbers(right[product]), 1e-6);
  });

  const heads = (queries: number, keys: number) => ({ q_num_heads: int(queries), kv_num_heads: int(keys) });
  it.each<[string, number[], number[], Attributes, Tensor?]>([
    ["heads apart", [2, 3, 4, 5], [2, 3, 6, 5], {}],
    ["heads side by side", [2, 4, 12], [2, 6, 12], heads(3, 3)],
    ["a scale of its own", [2, 4, 12], [2, 6, 12], { ...heads(2, 2), scale: { float: 0.7 } }],
    ["more heads of queries than of keys", [2, 4, 4, 5], [2, 2, 6, 5], {}],
    ["only what came before", [1, 2, 5, 4], [1, 2, 5, 4], { is_causal: int(1) }],
    ["a mask of numbers", [1, 2, 3, 4], [1, 2, 3, 4], {}, random([3, 3], 6)],
    [
      "a mask of truths",
      [1, 1, 2, 4],
      [1, 1, 2, 4],
      {},
      { dtype: "bool", dims: [2, 2], data: Uint8Array.of(1, 0, 1, 1) },
    ],
  ])("spells out Attention: %s", async (_, query, key, attributes, mask) => {
    const b = new GraphBuilder({ name: "attention", opset: 23 });
    const feeds = { q: random(query, 1, 2), k: random(key, 2, 2), v: random(key, 3) };
    for (const [name, { dims }] of Object.entries(feeds)) b.input(name, { dtype: "float32", shape: dims });
    const names = [...Object.keys(feeds), ...(mask ? [b.constant(mask)] : [])];
    const y = b.add("Attention", names, attributes);
    const graph = b.build([y]);
    const upgraded = upgradeOpset(graph);
    expect(upgraded.nodes.map(({ op }) => op)).toContain("Softmax");
    const [before, after] = [await run(graph, feeds), await run(upgraded, feeds)];
    expect(after[y]?.dims).toEqual(before[y]?.dims);
    expectClose(numbers(after[y]), numbers(before[y]), 1e-5);
  });

  it("counts axes of a Resize that keeps the aspect ratio from the front", async () => {
    const b = new GraphBuilder({ name: "ratio", opset: 18 });
    b.input("x", { dtype: "float32", shape: [1, 1, 4, 6] });
    const attributes = { axes: ints(-1, -2), keep_aspect_ratio_policy: { string: "not_larger" } };
    const y = b.add("Resize", ["x", "", "", b.constant(int64([9, 7]))], attributes);
    const upgraded = upgradeOpset(b.build([y]));
    expect((await run(upgraded, { x: random([1, 1, 4, 6], 1) }))[y]?.dims).toEqual([1, 1, 6, 9]);
  });

  it.each([
    ["SAME_UPPER", 1, 2],
    ["SAME_LOWER", 2, 1],
  ])("writes out the padding of a dilated Conv, %s", async (mode, before, after) => {
    const build = (padding: Attributes) => {
      const b = new GraphBuilder({ name: "same", opset: 19 });
      b.input("x", { dtype: "float32", shape: [1, 2, 7] });
      const attributes: Attributes = { dilations: ints(3), kernel_shape: ints(2), ...padding };
      const kernel = b.constant(random([3, 2, 2], 2));
      return b.build([b.add("Conv", ["x", kernel], attributes)]);
    };
    const upgraded = upgradeOpset(build({ auto_pad: { string: mode } }));
    const x = random([1, 2, 7], 8);
    expect(await run(upgraded, { x })).toEqual(await run(build({ pads: ints(before, after) }), { x }));
  });

  it("names only the axes that a Resize changes, so that the batch can be opened", async () => {
    const b = new GraphBuilder({ name: "sizes", opset: 13 });
    b.input("x", { dtype: "float32", shape: [1, 2, 4, 6] });
    const y = b.add("Resize", ["x", "", "", b.constant(int64([1, 2, 8, 6]))], { mode: { string: "linear" } });
    const graph = b.build([y]);
    const open = setBatch(upgradeOpset(graph), "N");
    expect(open.types.get(y)?.shape).toEqual([{ symbol: "N", times: 1 }, 2, 8, 6]);
    expect(await proveBatch(graph, open, run)).toBeLessThan(1e-6);
  });

  it("gives Attention the gradient of its parts", async () => {
    const b = new GraphBuilder({ name: "attention", opset: 23 });
    const feeds = { q: random([2, 3, 8], 1), k: random([2, 4, 8], 2), v: random([2, 4, 8], 3) };
    for (const [name, { dims }] of Object.entries(feeds)) b.input(name, { dtype: "float32", shape: dims });
    const y = b.add("Attention", Object.keys(feeds), heads(2, 2));
    const o = ops(b);
    const loss = o.reduceSum(o.mul(y, o.builder.constant(random([2, 3, 8], 4))), undefined, false);
    const graph = upgradeOpset(b.build([loss]));
    const { worst } = await checkGradients(graph, { loss, wrt: Object.keys(feeds), feeds, run, step: 0.02 });
    expect(worst).toBeLessThan(3e-3);
  });

  it("keeps a dropout's mask where it is used and has one meaning", () => {
    const masked = (opset: number) => {
      const b = new GraphBuilder({ name: "dropout", opset });
      b.input("x", { dtype: "float32", shape: [2] });
      return b.build(b.addAll("Dropout", ["x"], {}, { outputs: 2, name: "drop" }));
    };
    expect(upgradeOpset(masked(10)).nodes[0]?.outputs).toHaveLength(2);
    expect(() => upgradeOpset(masked(7))).toThrow('Dropout node "drop": its mask');
  });

  it("refuses the saved statistics that operator set 14 gave up", () => {
    const b = new GraphBuilder({ name: "batch", opset: 9 });
    b.input("x", { dtype: "float32", shape: [2, 3] });
    const four = [1, 2, 3, 4].map((seed) => b.constant(random([3], seed)));
    const graph = b.build(b.addAll("BatchNormalization", ["x", ...four], {}, { outputs: 5 }));
    expect(() => upgradeOpset(graph)).toThrow("which operator set 14 no longer has");
  });

  it("returns graphs that are there already", () => {
    const graph = graphOf(["ReduceSum", 20, "ReduceSum", {}]);
    expect(upgradeOpset(graph)).toBe(graph);
  });

  it("refuses operator sets before 7 and operators it does not know", () => {
    const graph = graphOf(["Clip", 10, "Clip", { min: { float: 0 } }]);
    expect(() => upgradeOpset({ ...graph, opset: 6 })).toThrow("operator set 6 is too old");
    const nodes = graph.nodes.map((node) => ({ ...node, op: "NoSuch", name: "what" }));
    expect(() => upgradeOpset({ ...graph, nodes })).toThrow('NoSuch node "what"');
  });
});
