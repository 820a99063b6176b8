import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/build/builder.ts";
import { encodeModel } from "../../src/format/model.ts";
import { type Dim, isStatic, type Shape } from "../../src/graph/dim.ts";
import { bytesOf, tensorOfBytes } from "../../src/graph/dtypes.ts";
import type { Attributes } from "../../src/graph/graph.ts";
import { itemAt } from "../../src/graph/item-at.ts";
import { type DType, float32, int64, sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { runModel } from "../support/engine.ts";

/** An input of a case: a shape of floats, a shape of another type, or a constant. */
type Input = readonly number[] | { readonly dtype: DType; readonly shape: readonly number[] } | Tensor | "";

interface Case {
  readonly op: string;
  readonly inputs: readonly Input[];
  readonly attributes?: Attributes;
  readonly opset?: number;
  readonly outputs?: number;
  readonly domain?: string;
}

const ints = (...values: number[]) => ({ ints: values });
const int = (value: number) => ({ int: value });
const ofType = (dtype: DType, ...shape: number[]) => ({ dtype, shape });

const N = (times = 1): Dim => ({ symbol: "N", times });

/** Every case is run by onnxruntime, whose shapes are the truth. */
const CASES: readonly Case[] = [
  ...["Relu", "LeakyRelu", "Elu", "Neg", "Sqrt", "Exp", "Log", "Erf", "Tanh", "Sigmoid", "Abs", "Sign"].map((op) => ({
    op,
    inputs: [[2, 3]],
  })),
  ...["Reciprocal", "Floor", "Ceil", "Identity", "Softplus"].map((op) => ({ op, inputs: [[2, 3]] })),
  { op: "HardSwish", inputs: [[2, 3]], opset: 14 },
  { op: "Gelu", inputs: [[2, 3]], opset: 20 },
  { op: "Gelu", inputs: [[2, 3]], domain: "com.microsoft" },
  { op: "Clip", inputs: [[2, 3], float32(0), float32(1)] },
  { op: "Clip", inputs: [[2, 3]], opset: 7, attributes: { min: { float: 0 } } },
  { op: "PRelu", inputs: [[2, 3, 4, 4], float32(new Float32Array(3), [3, 1, 1])] },
  ...["Add", "Sub", "Mul", "Div", "Pow"].map((op) => ({
    op,
    inputs: [
      [2, 1, 4],
      [3, 1],
    ],
  })),
  ...["Min", "Max", "Sum", "Mean"].map((op) => ({ op, inputs: [[2, 1], [3], [1, 1, 1]] })),
  ...["Equal", "Greater", "Less"].map((op) => ({ op, inputs: [[2, 3], [3]] })),
  ...["GreaterOrEqual", "LessOrEqual"].map((op) => ({
    op,
    inputs: [
      [2, 3],
      [2, 1],
    ],
  })),
  ...["And", "Or"].map((op) => ({ op, inputs: [ofType("bool", 2, 3), ofType("bool", 3)] })),
  { op: "Not", inputs: [ofType("bool", 2)] },
  { op: "Where", inputs: [ofType("bool", 3, 1), [2, 1, 4], []] },
  { op: "Cast", inputs: [[2, 3]], attributes: { to: int(7) } },
  { op: "Dropout", inputs: [[2, 3]], outputs: 2 },
  {
    op: "Conv",
    inputs: [
      [2, 4, 7, 9],
      [6, 2, 3, 3],
    ],
    attributes: { group: int(2), strides: ints(2, 1) },
  },
  {
    op: "Conv",
    inputs: [[2, 4, 9, 9], [6, 4, 3, 3], [6]],
    attributes: { pads: ints(1, 0, 2, 1), dilations: ints(2, 1) },
  },
  {
    op: "Conv",
    inputs: [
      [2, 4, 7],
      [6, 4, 3],
    ],
    attributes: { auto_pad: { string: "SAME_UPPER" }, strides: ints(2) },
  },
  {
    op: "Conv",
    inputs: [
      [2, 4, 7],
      [6, 4, 3],
    ],
    attributes: { auto_pad: { string: "VALID" } },
  },
  {
    op: "ConvTranspose",
    inputs: [
      [2, 4, 5, 5],
      [4, 3, 3, 3],
    ],
    attributes: { strides: ints(2, 2), output_padding: ints(1, 0) },
  },
  {
    op: "ConvTranspose",
    inputs: [
      [2, 4, 5],
      [4, 3, 3],
    ],
    attributes: { group: int(2), pads: ints(1, 0), dilations: ints(2) },
  },
  {
    op: "ConvTranspose",
    inputs: [
      [2, 4, 5, 5],
      [4, 3, 3, 3],
    ],
    attributes: { strides: ints(2, 2), output_shape: ints(10, 11) },
  },
  {
    op: "ConvTranspose",
    inputs: [
      [2, 4, 5],
      [4, 3, 3],
    ],
    attributes: { strides: ints(2), auto_pad: { string: "SAME_LOWER" } },
  },
  { op: "MaxPool", inputs: [[2, 3, 7, 8]], attributes: { kernel_shape: ints(3, 2), strides: ints(2, 2) }, outputs: 2 },
  { op: "MaxPool", inputs: [[2, 3, 7]], attributes: { kernel_shape: ints(2), strides: ints(2), ceil_mode: int(1) } },
  { op: "AveragePool", inputs: [[2, 3, 7, 7]], attributes: { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) } },
  {
    op: "AveragePool",
    inputs: [[2, 3, 5]],
    attributes: { kernel_shape: ints(2), strides: ints(3), ceil_mode: int(1) },
  },
  { op: "GlobalAveragePool", inputs: [[2, 3, 7, 7]] },
  {
    op: "MatMul",
    inputs: [
      [2, 1, 3, 4],
      [5, 4, 6],
    ],
  },
  { op: "MatMul", inputs: [[4], [5, 4, 6]] },
  { op: "MatMul", inputs: [[3, 4], [4]] },
  { op: "MatMul", inputs: [[4], [4]] },
  {
    op: "FusedMatMul",
    inputs: [
      [2, 4, 3],
      [6, 4],
    ],
    domain: "com.microsoft",
    attributes: { transA: int(1), transB: int(1) },
  },
  { op: "Gemm", inputs: [[4, 3], [5, 4], [5]], attributes: { transA: int(1), transB: int(1) } },
  {
    op: "Einsum",
    inputs: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    attributes: { equation: { string: "bij, bjk -> bik" } },
  },
  {
    op: "Einsum",
    inputs: [
      [3, 4],
      [4, 5],
    ],
    attributes: { equation: { string: "zj,ja" } },
  },
  {
    op: "Einsum",
    inputs: [
      [5, 2, 3, 4],
      [4, 6],
    ],
    attributes: { equation: { string: "...ij,jk" } },
  },
  ...["Sinh", "Asinh", "Tan", "Round", "Selu", "Celu", "HardSigmoid", "Softsign", "ThresholdedRelu"].map((op) => ({
    op,
    inputs: [[2, 3]],
  })),
  { op: "Mish", inputs: [[2, 3]], opset: 18 },
  { op: "Swish", inputs: [[2, 3]], opset: 24 },
  { op: "Softmax", inputs: [[2, 3]] },
  { op: "LogSoftmax", inputs: [[2, 3, 4]], opset: 11 },
  { op: "LayerNormalization", inputs: [[2, 3, 4], [4], [4]], opset: 17, outputs: 3 },
  { op: "BatchNormalization", inputs: [[2, 3, 4, 4], [3], [3], [3], [3]] },
  { op: "BatchNormalization", inputs: [[2, 3, 4], [3], [3], [3], [3]], opset: 9, outputs: 5 },
  {
    op: "BatchNormalization",
    inputs: [[2, 3, 4], [3], [3], [3], [3]],
    opset: 15,
    outputs: 3,
    attributes: { training_mode: int(1) },
  },
  { op: "BatchNormalization", inputs: [[2, 3], [3], [3], [3], [3]], opset: 7, attributes: { spatial: int(0) } },
  { op: "GroupNormalization", inputs: [[2, 4, 3], [2], [2]], opset: 18, attributes: { num_groups: int(2) } },
  { op: "GroupNormalization", inputs: [[2, 4, 3], [4], [4]], opset: 21, attributes: { num_groups: int(2) } },
  {
    op: "RMSNormalization",
    inputs: [
      [2, 3, 4],
      [3, 4],
    ],
    opset: 23,
    attributes: { axis: int(1) },
  },
  { op: "SimplifiedLayerNormalization", inputs: [[2, 4], [4]], opset: 18 },
  { op: "LpNormalization", inputs: [[2, 3]], attributes: { axis: int(0) } },
  { op: "Upsample", inputs: [[1, 2, 3, 3]], opset: 7, attributes: { scales: { floats: [1, 1, 2, 1.5] } } },
  { op: "Resize", inputs: [[1, 2, 3, 3], float32([1, 1, 2, 0.5])], opset: 10 },
  { op: "Resize", inputs: [[1, 2, 3, 7], "", float32([1, 1, 2.6, 0.3])] },
  { op: "Resize", inputs: [[1, 2, 3, 7], "", "", int64([1, 2, 5, 9])] },
  { op: "Resize", inputs: [[1, 2, 3, 7], "", float32([0.5, 2])], opset: 18, attributes: { axes: ints(3, 2) } },
  ...["not_larger", "not_smaller"].map((string) => ({
    op: "Resize",
    inputs: [[1, 2, 3, 7], "", "", int64([8, 9])] as const,
    opset: 18,
    attributes: { axes: ints(2, 3), keep_aspect_ratio_policy: { string } },
  })),
  { op: "DepthToSpace", inputs: [[2, 8, 3, 1]], attributes: { blocksize: int(2) } },
  { op: "SpaceToDepth", inputs: [[2, 3, 4, 6]], attributes: { blocksize: int(2) } },
  { op: "TopK", inputs: [[2, 5], int64([3])], outputs: 2 },
  { op: "TopK", inputs: [[4, 5]], opset: 9, attributes: { k: int(3), axis: int(0) }, outputs: 2 },
  { op: "NonZero", inputs: [int64([1, 0, 2, 3], [2, 2])] },
  { op: "Scatter", inputs: [[4, 5], int64([0, 1], [1, 2]), [1, 2]], opset: 9 },
  { op: "InstanceNormalization", inputs: [[2, 3, 4, 4], [3], [3]] },
  { op: "Reshape", inputs: [[2, 3, 4], int64([0, -1])] },
  { op: "Reshape", inputs: [[2, 3, 4], int64([4, 0, 2])] },
  { op: "Reshape", inputs: [[1], int64([], [0])] },
  { op: "Reshape", inputs: [[0, 3], int64([3, 0])], opset: 14, attributes: { allowzero: int(1) } },
  { op: "Flatten", inputs: [[2, 3, 4]] },
  { op: "Flatten", inputs: [[2, 3, 4]], attributes: { axis: int(0) } },
  { op: "Flatten", inputs: [[2, 3, 4]], attributes: { axis: int(-1) } },
  { op: "Transpose", inputs: [[2, 3, 4]] },
  { op: "Transpose", inputs: [[2, 3, 4]], attributes: { perm: ints(1, 0, 2) } },
  { op: "Squeeze", inputs: [[1, 2, 1]] },
  { op: "Squeeze", inputs: [[1, 2, 1], int64([-1])] },
  { op: "Squeeze", inputs: [[1, 2, 1]], opset: 11, attributes: { axes: ints(0) } },
  { op: "Unsqueeze", inputs: [[2, 3], int64([0, -1])] },
  { op: "Unsqueeze", inputs: [[2, 3]], opset: 11, attributes: { axes: ints(1, 3) } },
  {
    op: "Concat",
    inputs: [
      [2, 3],
      [2, 4],
      [2, 0],
    ],
    attributes: { axis: int(-1) },
  },
  { op: "Split", inputs: [[2, 6]], outputs: 3, opset: 11, attributes: { axis: int(1) } },
  { op: "Split", inputs: [[2, 6]], outputs: 2, opset: 11, attributes: { axis: int(1), split: ints(2, 4) } },
  { op: "Split", inputs: [[6, 2], int64([1, 5])], outputs: 2, opset: 13 },
  { op: "Split", inputs: [[7, 2]], outputs: 3, opset: 18, attributes: { num_outputs: int(3) } },
  { op: "Slice", inputs: [[8, 5]], opset: 9, attributes: { starts: ints(1, -3), ends: ints(100, -1) } },
  { op: "Slice", inputs: [[8, 5], int64([-1]), int64([-100]), int64([0]), int64([-3])] },
  { op: "Slice", inputs: [[8, 5], int64([6, 1]), int64([2, 4]), int64([-2, 1]), int64([-1, 2])] },
  { op: "Slice", inputs: [[8, 5], int64([5]), int64([2])] },
  { op: "Gather", inputs: [[4, 5, 6], int64([0, 1, 2, 1], [2, 2])], attributes: { axis: int(1) } },
  { op: "Gather", inputs: [[4, 5], int64(1)] },
  { op: "GatherElements", inputs: [[4, 5], int64([0, 1, 2, 3], [2, 2])], attributes: { axis: int(1) } },
  { op: "GatherND", inputs: [[4, 5, 6], int64([0, 1, 2, 1], [2, 2])] },
  { op: "ScatterElements", inputs: [[4, 5], int64([0, 1], [1, 2]), [1, 2]] },
  { op: "ScatterND", inputs: [[4, 5], int64([0, 1], [2, 1]), [2, 5]] },
  { op: "OneHot", inputs: [ofType("int64", 2, 3), int64([7]), float32([0, 1])], attributes: { axis: int(1) } },
  { op: "OneHot", inputs: [ofType("int64", 2), int64(7), float32([0, 1])] },
  { op: "Expand", inputs: [[3, 1], int64([2, 1, 6])] },
  { op: "Tile", inputs: [[2, 3], int64([2, 0])] },
  { op: "Pad", inputs: [[2, 3]], opset: 7, attributes: { pads: ints(0, 1, 2, 3) } },
  { op: "Pad", inputs: [[2, 3], int64([0, 1, 2, -1])] },
  { op: "Pad", inputs: [[2, 3], int64([1, 2]), float32(0), int64([-1])], opset: 18 },
  { op: "ReduceMean", inputs: [[2, 3, 4]], opset: 13, attributes: { axes: ints(-1), keepdims: int(0) } },
  { op: "ReduceMean", inputs: [[2, 3, 4], int64([1])], opset: 18 },
  { op: "ReduceSum", inputs: [[2, 3, 4], int64([0, 2])], opset: 13, attributes: { keepdims: int(0) } },
  { op: "ReduceSum", inputs: [[2, 3]], opset: 13, attributes: { noop_with_empty_axes: int(1) } },
  { op: "ReduceSum", inputs: [[2, 3]], opset: 11, attributes: { axes: ints(0) } },
  ...["ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"].flatMap((op) => [
    { op, inputs: [[2, 3, 4]], opset: 13, attributes: { axes: ints(1) } },
    { op, inputs: [[2, 3, 4]], opset: 18, attributes: { keepdims: int(0) } },
  ]),
  { op: "ArgMax", inputs: [[2, 3]], attributes: { axis: int(1), keepdims: int(0) } },
  { op: "CumSum", inputs: [[2, 3], int64(1)] },
  { op: "Trilu", inputs: [[3, 3]], opset: 14 },
  { op: "Shape", inputs: [[2, 3, 4]] },
  { op: "Shape", inputs: [[2, 3, 4]], opset: 15, attributes: { start: int(-2), end: int(10) } },
  { op: "Constant", inputs: [], attributes: { value: { tensor: float32([1, 2], [2, 1]) } } },
  { op: "Constant", inputs: [], attributes: { value_ints: ints(1, 2, 3) } },
  { op: "ConstantOfShape", inputs: [int64([2, 3])], attributes: { value: { tensor: int64([1]) } } },
  { op: "Range", inputs: [int64(5), int64(-2), int64(-3)] },
];

const label = ({ op, inputs, attributes = {}, opset = 13 }: Case, index: number): string => {
  const shapes = inputs.map((input) => {
    if (input === "") return "none";
    if ("data" in input) return `constant [${input.data}]`;
    return `[${"shape" in input ? input.shape : input}]`;
  });
  return `${index}: ${op}-${opset} of ${shapes.join(", ")} ${Object.keys(attributes)}`;
};

describe("inferNode agrees with onnxruntime", () => {
  it.each(CASES.map((item, index) => [label(item, index), item] as const))("%s", async (_, item) => {
    const { op, inputs, attributes = {}, opset = 13, outputs = 1, domain = "" } = item;
    const builder = new GraphBuilder({ name: "case", opset });
    const feeds: Record<string, Tensor> = {};
    const names = inputs.map((input, index) => {
      if (input === "") return "";
      if ("data" in input) return builder.constant(input);
      const type = "shape" in input ? input : { dtype: "float32" as const, shape: input };
      const bytes = new Uint8Array(sizeOf(type.shape) * bytesOf(type.dtype));
      feeds[`x${index}`] = tensorOfBytes(type.dtype, type.shape, bytes);
      return builder.input(`x${index}`, type);
    });
    const results = builder.addAll(op, names, attributes, { outputs, domain });
    const graph = builder.build(results);
    const actual = await runModel(encodeModel(graph), feeds, true);
    for (const name of results) {
      const { dtype, shape } = builder.type(name);
      expect({ dtype, shape }).toEqual({ dtype: actual[name]?.dtype, shape: actual[name]?.dims });
    }
  });
});

function infer(
  op: string,
  inputs: readonly (Shape | Tensor | "")[],
  attributes: Attributes = {},
  outputs = 1,
): Shape[] {
  const builder = new GraphBuilder({ name: "case", opset: 18 });
  const names = inputs.map((input, index) =>
    input === ""
      ? ""
      : "data" in input
        ? builder.constant(input)
        : builder.input(`x${index}`, { dtype: "float32", shape: input }),
  );
  return builder.addAll(op, names, attributes, { outputs }).map((name) => builder.shape(name));
}

describe("the open batch", () => {
  it.each<[string, readonly (Shape | Tensor | "")[], Attributes, Shape]>([
    [
      "Conv",
      [
        [N(), 3, 8, 8],
        [4, 3, 3, 3],
      ],
      {},
      [N(), 4, 6, 6],
    ],
    ["Reshape", [[N(4), 25, 8], int64([-1, 4, 25, 8])], {}, [N(), 4, 25, 8]],
    ["Reshape", [[N(), 4, 25, 8], int64([-1, 25, 8])], {}, [N(4), 25, 8]],
    ["Reshape", [[N(), 4, 25], int64([0, -1])], {}, [N(), 100]],
    ["Flatten", [[N(), 4, 5]], {}, [N(), 20]],
    ["Flatten", [[N(), 4, 5]], { axis: int(0) }, [1, N(20)]],
    [
      "Add",
      [
        [N(), 1, 5],
        [4, 1],
      ],
      {},
      [N(), 4, 5],
    ],
    [
      "MatMul",
      [
        [N(), 4, 5],
        [5, 6],
      ],
      {},
      [N(), 4, 6],
    ],
    ["Transpose", [[N(), 4, 5]], { perm: ints(1, 0, 2) }, [4, N(), 5]],
    [
      "Concat",
      [
        [N(), 4],
        [N(2), 4],
      ],
      { axis: int(0) },
      [N(3), 4],
    ],
    ["Slice", [[N(), 4], int64([0]), int64([2 ** 31 - 1])], {}, [N(), 4]],
    ["Slice", [[N(3), 4], int64([1]), int64([3])], {}, [2, 4]],
    ["Gather", [[N(), 4], int64(0)], { axis: int(1) }, [N()]],
    ["ReduceMean", [[N(), 4, 5], int64([1])], { keepdims: int(0) }, [N(), 5]],
    ["Tile", [[N(), 4], int64([2, 1])], {}, [N(2), 4]],
    ["Split", [[N(2), 4]], {}, [N(), 4]],
    [
      "Einsum",
      [
        [N(4), 3, 5],
        [N(4), 5, 6],
      ],
      { equation: { string: "bij,bjk->kb" } },
      [6, N(4)],
    ],
    ["Einsum", [[N(), 2, 5], [5]], { equation: { string: "...i,i" } }, [N(), 2]],
    ["Resize", [[N(), 3, 4, 4], "", float32([1, 1, 2, 2])], {}, [N(), 3, 8, 8]],
    ["Resize", [[N(), 3, 4], "", float32([2, 1, 0.5])], {}, [N(2), 3, 2]],
    ["Resize", [[N(), 3, 4, 4], "", "", int64([5, 6])], { axes: ints(2, 3) }, [N(), 3, 5, 6]],
    ["Tile", [[N(3), 1], int64([2, 5])], {}, [N(6), 5]],
    ["Expand", [[N(), 1, 4], int64([1, 7, 1])], {}, [N(), 7, 4]],
    ["DepthToSpace", [[N(), 8, 3, 3]], { blocksize: int(2) }, [N(), 2, 6, 6]],
    ["GroupNormalization", [[N(), 4, 3], [2], [2]], { num_groups: int(2) }, [N(), 4, 3]],
    ["AveragePool", [[N(), 4, 6]], { kernel_shape: ints(2) }, [N(), 4, 5]],
  ])("%s", (op, inputs, attributes, expected) => {
    expect(infer(op, inputs, attributes, op === "Split" ? 2 : 1)[0]).toEqual(expected);
  });

  it.each<[string, readonly (Shape | Tensor | "")[], Attributes, RegExp]>([
    ["Reshape", [[N(), 4], int64([1, 4])], {}, /cannot reshape \[N, 4\] to \[1, 4\]/],
    ["Reshape", [[N(), 4], int64([-1, 8])], {}, /cannot reshape/],
    [
      "Add",
      [
        [N(), 4],
        [3, 4],
      ],
      {},
      /do not broadcast/,
    ],
    [
      "Concat",
      [
        [N(), 4],
        [1, 4],
      ],
      { axis: int(0) },
      /cannot join/,
    ],
    ["Pad", [[N(), 4], int64([1, 0, 0, 0])], {}, /pads the open dimension/],
    ["Slice", [[N(), 4], int64([0]), int64([3])], {}, /cannot take \[0:3:1\]/],
    ["Squeeze", [[N(), 4], int64([0])], {}, /is not 1/],
    ["Resize", [[N(), 4], "", float32([1.5, 1])], {}, /scales the open batch by 1.5/],
    ["Resize", [[N(), 4], "", "", int64([3, 4])], {}, /resizes/],
  ])("%s that would fix or mix it is refused", (op, inputs, attributes, message) => {
    expect(() => infer(op, inputs, attributes)).toThrow(message);
  });
});

describe("what cannot be typed is refused by name", () => {
  it.each<[string, readonly (Shape | Tensor | "")[], Attributes, RegExp]>([
    ["NoSuchOperator", [[2]], {}, /NoSuchOperator node "NoSuchOperator": .*no shape rule/],
    ["Reshape", [[2], [1]], {}, /Reshape node "Reshape": input 1 \("x1"\) must be a constant; fold the graph first/],
    [
      "MatMul",
      [
        [2, 3],
        [4, 5],
      ],
      {},
      /do not multiply/,
    ],
    [
      "Conv",
      [
        [1, 3, 4, 4],
        [4, 2, 3, 3],
      ],
      {},
      /do not fit the input/,
    ],
    [
      "Conv",
      [
        [1, 3, 2, 2],
        [4, 3, 3, 3],
      ],
      {},
      /window is larger/,
    ],
    [
      "Conv",
      [
        [1, 3, 4, 4],
        [4, 3, 3, 3],
      ],
      { strides: ints(0, 1) },
      /must be positive/,
    ],
    [
      "Conv",
      [
        [1, 3, 4, 4],
        [4, 3, 3, 3],
      ],
      { strides: ints(1) },
      /must have 2 entries/,
    ],
    ["Relu", [], {}, /input 0 is missing/],
    ["Add", [[2], int64([1, 2])], {}, /mix element types/],
    ["Transpose", [[2, 3]], { perm: ints(0, 0) }, /name an axis twice/],
    [
      "Concat",
      [
        [2, 3],
        [2, 3],
      ],
      { axis: int(2) },
      /axis 2 is outside/,
    ],
    ["Slice", [[2], int64([0]), int64([1]), int64([0]), int64([0])], {}, /step of 0/],
    ["Unsqueeze", [[2], int64(Array.from({ length: 1000 }, (_, index) => index))], {}, /names 1000 axes/],
    ["Reshape", [[2], int64([2, ...Array<number>(99).fill(1)])], {}, /would have 100 dimensions/],
    ["Range", [float32(0), float32(1), float32(0)], {}, /has no length/],
    ["Cast", [[2]], { to: int(8) }, /element type 8/],
    ["Expand", [[2], int64([-1])], {}, /cannot expand|would have shape/],
    ["Pad", [[2], int64([-2, -1])], {}, /would have shape \[-1\]/],
    ["BatchNormalization", [[1, 3], [3], [3], [3], [2]], {}, /input 4/],
    ["Split", [[5], int64([2, 2])], {}, /do not make up axis 0/],
    ["Einsum", [[2, 3]], { equation: { string: "i->i" } }, /does not name the axes/],
    ["Einsum", [[2], [3]], { equation: { string: "i,i->" } }, /axis "i" has two sizes/],
    ["Einsum", [[2]], { equation: { string: "i->j" } }, /axis "j" is in no operand/],
    ["Einsum", [[2]], { equation: { string: "...ijk->i" } }, /fewer axes than letters/],
    ["Resize", [[2]], {}, /neither scales nor sizes/],
    ["Resize", [[2], "", float32([1, 2])], {}, /needs 1 scales or sizes, got 2/],
    ["Resize", [[2], "", float32([-1])], {}, /scale of -1/],
    ["Resize", [[2], "", "", int64([2 ** 52, 1])], {}, /got 2/],
    [
      "Resize",
      [[2], "", float32([1])],
      { coordinate_transformation_mode: { string: "tf_crop_and_resize" } },
      /tf_crop_and_resize is not supported/,
    ],
    ["NonZero", [[2]], {}, /must be a constant/],
    ["DepthToSpace", [[1, 3, 2, 2]], { blocksize: int(2) }, /not a multiple of 2 x 2/],
    ["SpaceToDepth", [[1, 3, 3, 2]], { blocksize: int(2) }, /blocks of 2/],
    ["GroupNormalization", [[1, 3, 2], [2], [2]], { num_groups: int(2) }, /does not fall into 2 groups/],
    ["GroupNormalization", [[1, 4, 2], [4], [4]], { num_groups: int(2) }, /must hold 2 numbers/],
    ["InstanceNormalization", [[1, 4, 2], [3], [4]], {}, /does not have one number per channel/],
    ["CumSum", [[2], int64(1)], {}, /axis 1 is outside/],
    ["Trilu", [[2]], {}, /is not a matrix/],
    ["Einsum", [[2], [2]], { equation: { string: "i.i,i" } }, /"i.i,i": it cannot be read/],
  ])("%s", (op, inputs, attributes, message) => {
    expect(() => infer(op, inputs, attributes)).toThrow(message);
  });
});

it("keeps shapes static where inputs are", () => {
  expect(infer("Relu", [[2, 3]]).every(isStatic)).toBe(true);
});

it("follows shape arithmetic that holds the open batch", () => {
  const builder = new GraphBuilder({ name: "arithmetic", opset: 18 });
  builder.input("x", { dtype: "float32", shape: [N(2), 3, 4] });
  const batch = builder.add("Gather", [builder.add("Shape", ["x"]), builder.constant(int64(0))]);
  const scalars = [0, 1].map((value) => builder.constant(int64(value)));
  const range = builder.add("Range", [itemAt(scalars, 0), batch, itemAt(scalars, 1)]);
  expect(builder.shape(range)).toEqual([N(2)]);

  const vector = builder.add("Unsqueeze", [batch, builder.constant(int64([0]))]);
  const to = (...rest: number[]) => builder.add("Concat", [vector, builder.constant(int64(rest))], { axis: int(0) });
  expect(builder.shape(builder.add("Resize", ["x", "", "", to(3, 9)]))).toEqual([N(2), 3, 9]);
  expect(builder.shape(builder.add("ConstantOfShape", [to(5)]))).toEqual([N(2), 5]);
  expect(builder.shape(builder.add("Expand", [builder.constant(float32(1)), to(7)]))).toEqual([N(2), 7]);
  const one = builder.constant(float32([1, 2], [1, 2]));
  expect(builder.shape(builder.add("Tile", [one, to(3)]))).toEqual([N(2), 6]);
});
