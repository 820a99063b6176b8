import { GraphBuilder } from "../../src/build/builder.ts";
import type { Dim, Shape } from "../../src/graph/dim.ts";
import type { Attributes } from "../../src/graph/graph.ts";
import { type DType, float32, int64, type Tensor } from "../../src/graph/tensor.ts";

/** An input of a case: a shape of floats, a shape of another type, or a constant. */
export type Input = readonly number[] | { readonly dtype: DType; readonly shape: readonly number[] } | Tensor | "";

export interface Case {
  readonly op: string;
  readonly inputs: readonly Input[];
  readonly attributes?: Attributes;
  readonly opset?: number;
  readonly outputs?: number;
  readonly domain?: string;
}

export const ints = (...values: number[]) => ({ ints: values });
export const int = (value: number) => ({ int: value });
export const ofType = (dtype: DType, ...shape: number[]) => ({ dtype, shape });

export const N = (times = 1): Dim => ({ symbol: "N", times });

/** Every case is run by onnxruntime, whose shapes are the truth. */
export const CASES: readonly Case[] = [
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

export function infer(
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
