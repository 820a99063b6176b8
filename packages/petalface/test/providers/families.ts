import { differentiate, type Graph, GraphBuilder, type Ops, ops, type Tensor } from "onnx-grad";
import { random } from "../../src/random.ts";

/** A graph with gradients and what to feed it. */
export interface Case {
  readonly name: string;
  readonly graph: Graph;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

/** Makes float32 numbers for a shape. */
type Numbers = (count: number, stream: ReturnType<typeof random>) => Float32Array;

/** Around zero, but no nearer than 0.2, so that no target lands on the other side of a bend. */
const signed: Numbers = (count, stream) =>
  Float32Array.from({ length: count }, () => {
    const value = stream.normal() * 0.6;
    return value + Math.sign(value) * 0.2;
  });
/** From 0.5 to 1.5. */
const positive: Numbers = (count, stream) => Float32Array.from({ length: count }, () => 0.5 + stream.uniform());
/** From -0.8 to 0.8. */
const inside: Numbers = (count, stream) => Float32Array.from({ length: count }, () => 1.6 * stream.uniform() - 0.8);

/** An operator on inputs of these shapes. */
interface Family {
  readonly shapes: readonly (readonly number[])[];
  readonly numbers?: Numbers;
  readonly opset?: number;
  build(o: Ops, x: readonly [string, string, string, string, string]): string | string[];
}

const unary = (op: string, options: Partial<Family> = {}): [string, Family] => [
  op,
  { shapes: [[2, 3, 5]], build: (o, [x]) => o.builder.add(op, [x]), ...options },
];
const binary = (op: string): [string, Family] => [
  op,
  {
    shapes: [
      [2, 3, 5],
      [3, 1],
    ],
    numbers: positive,
    build: (o, [x, y]) => o.builder.add(op, [x, y]),
  },
];
const reduction = (op: string): [string, Family] => [
  op,
  {
    shapes: [[2, 3, 5]],
    numbers: positive,
    build: (o, [x]) => [
      o.builder.add(op, [x, o.ints([1])], { keepdims: { int: 0 } }),
      o.builder.add(op, [x, o.ints([0, 2])], { keepdims: { int: 1 } }),
    ],
  },
];
const conv = (shapes: number[][], options: Parameters<Ops["conv"]>[2]): Family => ({
  shapes,
  build: (o, [x, kernel, bias]) => o.conv(x, kernel, options, shapes[2] && bias),
});

/** Every operator with a rule, at least once. */
export const families: readonly (readonly [string, Family])[] = [
  ...[
    "Neg",
    "Abs",
    "Exp",
    "Tanh",
    "Sigmoid",
    "Softplus",
    "Erf",
    "Relu",
    "Sin",
    "Cos",
    "Identity",
    "Atan",
    "Reciprocal",
  ].map((op) => unary(op)),
  ...["Sqrt", "Log"].map((op) => unary(op, { numbers: positive })),
  ...["Acos", "Asin"].map((op) => unary(op, { numbers: inside })),
  ["Gelu", { shapes: [[2, 3, 5]], opset: 20, build: (o, [x]) => o.builder.add("Gelu", [x]) }],
  [
    "Gelu tanh",
    {
      shapes: [[2, 3, 5]],
      opset: 20,
      build: (o, [x]) => o.builder.add("Gelu", [x], { approximate: { string: "tanh" } }),
    },
  ],
  ["LeakyRelu", { shapes: [[2, 3, 5]], build: (o, [x]) => o.builder.add("LeakyRelu", [x], { alpha: { float: 0.1 } }) }],
  [
    "PRelu",
    {
      shapes: [
        [2, 3, 4, 4],
        [3, 1, 1],
      ],
      build: (o, [x, slope]) => o.prelu(x, slope),
    },
  ],
  [
    "PRelu known slope",
    { shapes: [[2, 3, 4, 4]], build: (o, [x]) => o.prelu(x, o.floats([0.25, -0.3, 1.5], [3, 1, 1])) },
  ],
  ["Clip", { shapes: [[2, 3, 5]], build: (o, [x]) => o.clip(x, -0.5, 0.5) }],
  ["Cast", { shapes: [[2, 3]], build: (o, [x]) => o.cast(o.cast(x, "float64"), "float32") }],
  ...["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"].map(binary),
  ["Sum", { shapes: [[2, 3], [3], [2, 1]], build: (o, [x, y, z]) => o.builder.add("Sum", [x, y, z]) }],
  ["Mean", { shapes: [[2, 3], [3], [2, 1]], build: (o, [x, y, z]) => o.builder.add("Mean", [x, y, z]) }],
  ["Where", { shapes: [[2, 3], [3]], build: (o, [x, y]) => o.where(o.greater(x, 0), x, y) }],
  [
    "MatMul",
    {
      shapes: [
        [2, 3, 4],
        [4, 5],
      ],
      build: (o, [x, y]) => o.matmul(x, y),
    },
  ],
  [
    "MatMul batched",
    {
      shapes: [
        [2, 1, 3, 4],
        [3, 4, 5],
      ],
      build: (o, [x, y]) => o.matmul(x, y),
    },
  ],
  ["MatMul vectors", { shapes: [[2, 3, 4], [4], [3]], build: (o, [x, y, z]) => [o.matmul(x, y), o.matmul(z, x)] }],
  [
    "Gemm",
    {
      shapes: [[4, 3], [5, 4], [5]],
      build: (o, [x, y, c]) => o.gemm(x, y, { c, transA: true, transB: true, alpha: 0.5, beta: 2 }),
    },
  ],
  ["Conv 3x3", conv([[2, 3, 6, 6], [4, 3, 3, 3], [4]], { pads: [1, 1, 1, 1] })],
  [
    "Conv 1x1",
    conv(
      [
        [2, 3, 6, 6],
        [4, 3, 1, 1],
      ],
      {},
    ),
  ],
  [
    "Conv strided",
    conv(
      [
        [2, 3, 7, 6],
        [4, 3, 3, 2],
      ],
      { strides: [2, 2], pads: [1, 0, 1, 1] },
    ),
  ],
  [
    "Conv 1x1 strided",
    conv(
      [
        [2, 3, 7, 6],
        [4, 3, 1, 1],
      ],
      { strides: [2, 2] },
    ),
  ],
  [
    "Conv dilated",
    conv(
      [
        [1, 2, 8, 8],
        [3, 2, 3, 3],
      ],
      { dilations: [2, 2], pads: [2, 2, 2, 2] },
    ),
  ],
  ["Conv grouped", conv([[2, 4, 6, 6], [6, 2, 3, 3], [6]], { group: 2, pads: [1, 1, 1, 1] })],
  ["Conv depthwise", conv([[2, 4, 6, 6], [4, 1, 3, 3], [4]], { group: 4, pads: [1, 1, 1, 1] })],
  [
    "Conv depthwise strided",
    conv([[2, 4, 7, 7], [4, 1, 3, 3], [4]], { group: 4, strides: [2, 2], pads: [1, 1, 1, 1] }),
  ],
  [
    "Conv 1-D",
    conv(
      [
        [2, 3, 9],
        [4, 3, 3],
      ],
      { strides: [2], pads: [1, 1] },
    ),
  ],
  [
    "ConvTranspose",
    {
      shapes: [[1, 3, 4, 4], [3, 2, 3, 3], [2]],
      build: (o, [x, kernel, bias]) => o.convTranspose(x, kernel, { strides: [2, 2], pads: [1, 1, 1, 1] }, bias),
    },
  ],
  [
    "MaxPool",
    {
      shapes: [[2, 3, 6, 6]],
      build: (o, [x]) =>
        o.builder.add("MaxPool", [x], {
          kernel_shape: { ints: [3, 3] },
          strides: { ints: [2, 2] },
          pads: { ints: [1, 1, 1, 1] },
        }),
    },
  ],
  [
    "AveragePool",
    {
      shapes: [[2, 3, 6, 6]],
      build: (o, [x]) =>
        o.builder.add("AveragePool", [x], {
          kernel_shape: { ints: [3, 3] },
          strides: { ints: [2, 2] },
          pads: { ints: [1, 1, 1, 1] },
        }),
    },
  ],
  ...["GlobalAveragePool", "GlobalMaxPool"].map((op) => unary(op, { shapes: [[2, 3, 4, 4]] })),
  [
    "BatchNormalization",
    {
      shapes: [[2, 3, 4, 4], [3], [3]],
      numbers: positive,
      build: (o, [x, scale, shift]) => {
        const statistics = [o.floats([0.1, 0.2, 0.3]), o.floats([0.5, 1, 1.5])];
        return o.builder.add("BatchNormalization", [x, scale, shift, ...statistics]);
      },
    },
  ],
  [
    "LayerNormalization",
    {
      shapes: [[2, 3, 8], [8], [8]],
      build: (o, [x, scale, shift]) => o.builder.add("LayerNormalization", [x, scale, shift]),
    },
  ],
  ["Softmax", { shapes: [[2, 3, 5]], build: (o, [x]) => [o.softmax(x), o.softmax(x, 1)] }],
  ["LogSoftmax", { shapes: [[2, 3, 5]], build: (o, [x]) => o.logSoftmax(x) }],
  ...[
    "ReduceSum",
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSumExp",
  ].map(reduction),
  ["Reshape", { shapes: [[2, 6]], build: (o, [x]) => o.reshape(x, [3, 4]) }],
  ["Flatten", { shapes: [[2, 3, 4]], build: (o, [x]) => o.builder.add("Flatten", [x], { axis: { int: 1 } }) }],
  ["Transpose", { shapes: [[2, 3, 4, 5]], build: (o, [x]) => o.transpose(x, [0, 3, 1, 2]) }],
  ["Squeeze", { shapes: [[2, 1, 4]], build: (o, [x]) => o.unsqueeze(o.squeeze(x, [1]), [0, 2]) }],
  [
    "Concat",
    {
      shapes: [
        [2, 3],
        [2, 4],
      ],
      build: (o, [x, y]) => o.concat([x, y], 1),
    },
  ],
  [
    "Split",
    {
      shapes: [[2, 7]],
      build: (o, [x]) => {
        const [a, , c] = o.split(x, [2, 1, 4], 1) as [string, string, string];
        return [a, c];
      },
    },
  ],
  ["Slice", { shapes: [[4, 7]], build: (o, [x]) => o.slice(x, [3, 1], [0, 7], [0, 1], [-1, 2]) }],
  ["Pad", { shapes: [[2, 3, 4]], build: (o, [x]) => o.pad(x, [0, 1, 2, 0, 0, 1]) }],
  ["Pad cropping", { shapes: [[2, 4, 5]], build: (o, [x]) => o.pad(x, [0, -1, 2, 0, 1, -2]) }],
  ["Expand", { shapes: [[3, 1]], build: (o, [x]) => o.expand(x, [2, 3, 4]) }],
  ["Tile", { shapes: [[2, 3]], build: (o, [x]) => o.tile(x, [2, 3]) }],
  ["Gather", { shapes: [[4, 3]], build: (o, [x]) => o.gather(x, o.ints([2, 0, 2]), 0) }],
  [
    "GatherElements",
    {
      shapes: [[3, 2]],
      build: (o, [x]) =>
        o.gatherElements(
          x,
          o.builder.constant({ dtype: "int64", dims: [2, 2], data: BigInt64Array.of(2n, 0n, 1n, 1n) }),
          0,
        ),
    },
  ],
  ...[
    "Sinh",
    "Cosh",
    "Asinh",
    "Elu",
    "Selu",
    "Celu",
    "HardSigmoid",
    "HardSwish",
    "Mish",
    "Softsign",
    "ThresholdedRelu",
  ].map((op) => unary(op)),
  ...["Tan", "Atanh"].map((op) => unary(op, { numbers: inside })),
  ["Acosh", { shapes: [[2, 3, 5]], numbers: positive, build: (o, [x]) => o.builder.add("Acosh", [o.add(x, 1)]) }],
  unary("Swish", { opset: 24 }),
  [
    "com.microsoft Gelu and QuickGelu",
    {
      shapes: [[2, 3, 5]],
      build: (o, [x]) => ["Gelu", "QuickGelu"].map((op) => o.builder.add(op, [x], {}, { domain: "com.microsoft" })),
    },
  ],
  [
    "Einsum",
    {
      shapes: [
        [2, 3, 4],
        [2, 5, 4],
      ],
      build: (o, [x, y]) => o.builder.add("Einsum", [x, y], { equation: { string: "bij,bkj->bki" } }),
    },
  ],
  [
    "InstanceNormalization",
    {
      shapes: [[2, 3, 4, 4], [3], [3]],
      build: (o, [x, scale, shift]) => o.builder.add("InstanceNormalization", [x, scale, shift]),
    },
  ],
  [
    "GroupNormalization",
    {
      shapes: [[2, 4, 4, 4], [4], [4]],
      opset: 21,
      build: (o, [x, scale, shift]) =>
        o.builder.add("GroupNormalization", [x, scale, shift], { num_groups: { int: 2 } }),
    },
  ],
  [
    "RMSNormalization",
    { shapes: [[2, 3, 8], [8]], opset: 23, build: (o, [x, scale]) => o.builder.add("RMSNormalization", [x, scale]) },
  ],
  ["LpNormalization", { shapes: [[2, 3, 5]], build: (o, [x]) => o.builder.add("LpNormalization", [x]) }],
  ...["ReduceLogSum", "ReduceProd"].map(reduction),
  ["CumSum", { shapes: [[2, 3, 5]], build: (o, [x]) => o.builder.add("CumSum", [x, o.scalar(1, "int64")]) }],
  ["Trilu", { shapes: [[2, 4, 4]], build: (o, [x]) => o.builder.add("Trilu", [x]) }],
  [
    "GatherND",
    {
      shapes: [[3, 4, 2]],
      build: (o, [x]) => {
        const data = BigInt64Array.of(2n, 0n, 1n, 3n, 2n, 0n);
        return o.builder.add("GatherND", [x, o.builder.constant({ dtype: "int64", dims: [3, 2], data })]);
      },
    },
  ],
  ...["DepthToSpace", "SpaceToDepth"].map((op) =>
    unary(op, {
      shapes: [[1, 8, 4, 6]],
      build: (o, [x]) => o.builder.add(op, [x], { blocksize: { int: 2 } }),
    }),
  ),
  ...["nearest", "linear"].map((mode): [string, Family] => [
    `Resize ${mode}`,
    {
      shapes: [[1, 2, 4, 4]],
      build: (o, [x]) =>
        o.builder.add("Resize", [x, "", o.floats([1, 1, 2, 2])], {
          mode: { string: mode },
          ...(mode === "nearest" && {
            coordinate_transformation_mode: { string: "asymmetric" },
            nearest_mode: { string: "floor" },
          }),
        }),
    },
  ]),
];

/** The gradients, by every input, of a weighted sum of what the family's operator puts out. */
export function caseOf([name, family]: readonly [string, Family]): Case {
  const b = new GraphBuilder({ name, opset: family.opset ?? 18 });
  const o = ops(b);
  const stream = random(name, 1);
  const size = (dims: readonly number[]) => dims.reduce((product, dim) => product * dim, 1);
  const values = (dims: readonly number[], numbers: Numbers): Tensor => ({
    dtype: "float32",
    dims,
    data: numbers(size(dims), stream),
  });
  const inputs = family.shapes.map((dims, i) => b.input(`x${i}`, { dtype: "float32", shape: dims }));
  const feeds = Object.fromEntries(
    inputs.map((input, i) => [input, values(family.shapes[i], family.numbers ?? signed)]),
  );
  const outputs = [family.build(o, inputs as unknown as Parameters<Family["build"]>[1])].flat();
  const parts = outputs.map((output) => {
    const weights = b.constant(values(b.shape(output) as number[], signed), "weights");
    return o.reduceSum(o.mul(output, weights), undefined, false);
  });
  const loss = o.sum(parts);
  const graph = differentiate(b.build([loss]), { loss, wrt: inputs, outputs, unreached: "zeros" });
  // The sum itself is left out: it may be a small difference of large terms.
  return { name, graph: { ...graph, outputs: graph.outputs.slice(1) }, feeds };
}
