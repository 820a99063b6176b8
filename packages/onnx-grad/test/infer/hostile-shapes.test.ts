import { describe, expect, it } from "vitest";
import { readGraph } from "../../src/format/model.ts";
import { type AttributeProto, encodeProto, type TensorProto } from "../../src/format/proto.ts";
import { OnnxGradError } from "../../src/graph/errors.ts";
import { float32, int64, type Tensor } from "../../src/graph/tensor.ts";
import { fileOf } from "../support/mutations.ts";
import { model, node, raw, value } from "../support/protos.ts";

type Setting = number | string | readonly number[] | { readonly float: number } | Tensor;

const attributeOf = ([name, setting]: [string, Setting]): AttributeProto => {
  if (typeof setting === "number") return { name, type: 2, i: String(setting) };
  if (typeof setting === "string") return { name, type: 3, s: Buffer.from(setting) };
  if ("data" in setting) return { name, type: 4, t: raw("", setting) };
  if ("float" in setting) return { name, type: 1, f: setting.float };
  return { name, type: 7, ints: setting.map((item) => String(BigInt(item))) };
};

/** One node on `x` of a shape, with further inputs and attributes. */
interface Case {
  readonly x: readonly (number | string)[];
  readonly more?: readonly (Tensor | TensorProto | undefined)[];
  readonly attributes?: Readonly<Record<string, Setting>>;
  readonly outputs?: number;
  readonly opset?: number;
}

function read(op: string, { x, more = [], attributes = {}, outputs = 1, opset = 18 }: Case) {
  const names = more.map((item, index) => (item === undefined ? "" : `c${index}`));
  const initializer = more.flatMap((item, index) =>
    item === undefined ? [] : ["data" in item ? raw(`c${index}`, item) : { ...item, name: `c${index}` }],
  );
  const results = Array.from({ length: outputs }, (_, index) => (index === 0 ? "y" : `y${index}`));
  const bytes = encodeProto(
    "model",
    model(
      {
        input: [value("x", ...x)],
        output: results.map((name) => ({ name })),
        initializer,
        node: [
          node(op, ["x", ...names], results, { name: "bad", attribute: Object.entries(attributes).map(attributeOf) }),
        ],
      },
      { opsetImport: [{ domain: "", version: String(opset) }] },
    ),
  );
  return readGraph(fileOf(import.meta.filename, Buffer.from(bytes)));
}

const zeros = (...dims: number[]): Tensor => float32(new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
const image = [1, 4, 8, 8] as const;
const HUGE = 2 ** 52;

describe("an operator that cannot be", () => {
  it.each<[string, string, Case]>([
    ["Conv with weights of other channels", "Conv", { x: image, more: [zeros(6, 3, 3, 3)] }],
    ["Conv with weights of another rank", "Conv", { x: image, more: [zeros(6, 4, 3)] }],
    ["Conv of a vector", "Conv", { x: [4], more: [zeros(6, 4, 3, 3)] }],
    ["Conv without weights", "Conv", { x: image }],
    ["Conv with a bias of another length", "Conv", { x: image, more: [zeros(6, 4, 3, 3), zeros(5)] }],
    ["Conv with stride 0", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { strides: [0, 1] } }],
    ["Conv with stride -1", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { strides: [-1, 1] } }],
    [
      "Conv with a gigantic stride",
      "Conv",
      { x: image, more: [zeros(6, 4, 3, 3)], attributes: { strides: [HUGE, 1] } },
    ],
    ["Conv with dilation 0", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { dilations: [0, 1] } }],
    [
      "Conv with a gigantic dilation",
      "Conv",
      { x: image, more: [zeros(6, 4, 3, 3)], attributes: { dilations: [HUGE, 1] } },
    ],
    [
      "Conv with gigantic pads",
      "Conv",
      { x: image, more: [zeros(6, 4, 3, 3)], attributes: { pads: [HUGE, 0, HUGE, 0] } },
    ],
    ["Conv with negative pads", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { pads: [-9, 0, 0, 0] } }],
    ["Conv with three pads", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { pads: [0, 0, 0] } }],
    ["Conv with group 0", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { group: 0 } }],
    ["Conv with group -1", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { group: -1 } }],
    ["Conv with groups that do not divide", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { group: 3 } }],
    ["Conv with a kernel beyond its input", "Conv", { x: image, more: [zeros(6, 4, 9, 9)] }],
    ["Conv with an unknown auto_pad", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { auto_pad: "UP" } }],
    [
      "Conv with another kernel_shape",
      "Conv",
      { x: image, more: [zeros(6, 4, 3, 3)], attributes: { kernel_shape: [2, 2] } },
    ],
    ["Conv with strides as a number", "Conv", { x: image, more: [zeros(6, 4, 3, 3)], attributes: { strides: 1 } }],
    ["Conv with integer weights", "Conv", { x: image, more: [int64(Array(216).fill(0), [6, 4, 3, 3])] }],
    ["ConvTranspose with weights of other channels", "ConvTranspose", { x: image, more: [zeros(3, 6, 3, 3)] }],
    [
      "ConvTranspose with stride 0",
      "ConvTranspose",
      { x: image, more: [zeros(4, 6, 3, 3)], attributes: { strides: [0, 0] } },
    ],
    [
      "ConvTranspose with a gigantic stride",
      "ConvTranspose",
      { x: image, more: [zeros(4, 6, 3, 3)], attributes: { strides: [HUGE, HUGE] } },
    ],
    [
      "ConvTranspose with output_padding beyond its stride",
      "ConvTranspose",
      { x: image, more: [zeros(4, 6, 3, 3)], attributes: { output_padding: [5, 5] } },
    ],
    ["MaxPool without kernel_shape", "MaxPool", { x: image }],
    ["MaxPool with kernel 0", "MaxPool", { x: image, attributes: { kernel_shape: [0, 0] } }],
    ["MaxPool with stride 0", "MaxPool", { x: image, attributes: { kernel_shape: [2, 2], strides: [0, 0] } }],
    ["MaxPool with a kernel beyond its input", "MaxPool", { x: image, attributes: { kernel_shape: [9, 9] } }],
    [
      "MaxPool with pads as large as its kernel",
      "MaxPool",
      { x: image, attributes: { kernel_shape: [2, 2], pads: [2, 2, 2, 2] } },
    ],
    [
      "AveragePool with pads as large as its kernel",
      "AveragePool",
      { x: image, attributes: { kernel_shape: [2, 2], pads: [2, 2, 2, 2] } },
    ],
    ["AveragePool of a vector", "AveragePool", { x: [4], attributes: { kernel_shape: [2, 2] } }],
    ["GlobalAveragePool of a vector", "GlobalAveragePool", { x: [4] }],
    ["MatMul of other sizes", "MatMul", { x: [1, 4], more: [zeros(5, 3)] }],
    ["MatMul with a scalar", "MatMul", { x: [1, 4], more: [zeros()] }],
    ["MatMul of batches that do not broadcast", "MatMul", { x: [2, 3, 4], more: [zeros(3, 4, 5)] }],
    ["MatMul of other element types", "MatMul", { x: [1, 4], more: [int64([1, 2, 3, 4], [4, 1])] }],
    ["Gemm of other sizes", "Gemm", { x: [1, 4], more: [zeros(5, 3)] }],
    ["Gemm of three dimensions", "Gemm", { x: [1, 2, 4], more: [zeros(4, 3)] }],
    ["Gemm with a bias that does not broadcast", "Gemm", { x: [1, 4], more: [zeros(4, 3), zeros(2)] }],
    ["Gemm with alpha as text", "Gemm", { x: [1, 4], more: [zeros(4, 3)], attributes: { alpha: "1" } }],
    ["Reshape to another size", "Reshape", { x: [1, 4], more: [int64([3])] }],
    ["Reshape with two open dimensions", "Reshape", { x: [1, 4], more: [int64([-1, -1])] }],
    ["Reshape to a negative size", "Reshape", { x: [1, 4], more: [int64([-2, -2])] }],
    ["Reshape with a 0 beyond its input", "Reshape", { x: [1, 4], more: [int64([1, 4, 0])] }],
    ["Reshape to floats", "Reshape", { x: [1, 4], more: [float32([4])] }],
    ["Reshape to 2^62", "Reshape", { x: [1, 4], more: [int64([2 ** 31, 2 ** 31, 2 ** 31])] }],
    ["Reshape of 100 dimensions", "Reshape", { x: [1, 4], more: [int64([4, ...Array<number>(100).fill(1)])] }],
    ["Flatten at an axis outside", "Flatten", { x: [1, 4], attributes: { axis: 3 } }],
    ["Transpose that names an axis twice", "Transpose", { x: [1, 4], attributes: { perm: [0, 0] } }],
    ["Transpose that leaves an axis out", "Transpose", { x: [1, 4], attributes: { perm: [0] } }],
    ["Transpose outside", "Transpose", { x: [1, 4], attributes: { perm: [0, 2] } }],
    ["Squeeze of what is not 1", "Squeeze", { x: [1, 4], more: [int64([1])] }],
    ["Squeeze outside", "Squeeze", { x: [1, 4], more: [int64([5])] }],
    ["Unsqueeze twice at one place", "Unsqueeze", { x: [1, 4], more: [int64([0, 0])] }],
    ["Unsqueeze outside", "Unsqueeze", { x: [1, 4], more: [int64([7])] }],
    ["Concat of shapes that differ", "Concat", { x: [1, 4], more: [zeros(2, 5)], attributes: { axis: 0 } }],
    ["Concat of ranks that differ", "Concat", { x: [1, 4], more: [zeros(4)], attributes: { axis: 0 } }],
    ["Concat outside", "Concat", { x: [1, 4], more: [zeros(1, 4)], attributes: { axis: 2 } }],
    ["Concat without axis", "Concat", { x: [1, 4], more: [zeros(1, 4)] }],
    ["Concat with axis as text", "Concat", { x: [1, 4], more: [zeros(1, 4)], attributes: { axis: "0" } }],
    [
      "Concat of other element types",
      "Concat",
      { x: [1, 4], more: [int64([1, 2, 3, 4], [1, 4])], attributes: { axis: 0 } },
    ],
    ["Split into sizes that do not add up", "Split", { x: [1, 4], more: [int64([1, 2])], outputs: 2 }],
    ["Split into negative sizes", "Split", { x: [1, 4], more: [int64([-1, 5])], attributes: { axis: 1 }, outputs: 2 }],
    [
      "Split into fewer sizes than outputs",
      "Split",
      { x: [1, 4], more: [int64([4])], attributes: { axis: 1 }, outputs: 2 },
    ],
    ["Split outside", "Split", { x: [1, 4], attributes: { axis: 2, num_outputs: 2 }, outputs: 2 }],
    ["Slice with step 0", "Slice", { x: [1, 4], more: [int64([0]), int64([2]), int64([1]), int64([0])] }],
    ["Slice outside", "Slice", { x: [1, 4], more: [int64([0]), int64([2]), int64([2])] }],
    ["Slice that names an axis twice", "Slice", { x: [1, 4], more: [int64([0, 0]), int64([1, 1]), int64([1, 1])] }],
    ["Slice with fewer ends than starts", "Slice", { x: [1, 4], more: [int64([0, 0]), int64([1])] }],
    ["Gather out of range", "Gather", { x: [1, 4], more: [int64([4])], attributes: { axis: 1 } }],
    ["Gather far before its input", "Gather", { x: [1, 4], more: [int64([-5])], attributes: { axis: 1 } }],
    ["Gather outside", "Gather", { x: [1, 4], more: [int64([0])], attributes: { axis: 2 } }],
    ["Gather at floats", "Gather", { x: [1, 4], more: [float32([0])] }],
    ["Softmax outside", "Softmax", { x: [1, 4], attributes: { axis: 2 } }],
    ["Softmax with axis as text", "Softmax", { x: [1, 4], attributes: { axis: "1" } }],
    ["LogSoftmax outside", "LogSoftmax", { x: [1, 4], attributes: { axis: -3 } }],
    ["Softmax of an old operator set outside", "Softmax", { x: [1, 4], attributes: { axis: 9 }, opset: 9 }],
    ["Pad that cuts more than there is", "Pad", { x: [1, 4], more: [int64([0, -3, 0, -3])] }],
    ["Pad with three numbers", "Pad", { x: [1, 4], more: [int64([0, 0, 0])] }],
    ["Pad by 2^52", "Pad", { x: [1, 4], more: [int64([0, HUGE, 0, HUGE])] }],
    ["Pad with an unknown mode", "Pad", { x: [1, 4], more: [int64([0, 0, 0, 0])], attributes: { mode: "mirror" } }],
    [
      "Pad that reflects more than there is",
      "Pad",
      { x: [1, 4], more: [int64([0, 9, 0, 9])], attributes: { mode: "reflect" } },
    ],
    ["Expand to a shape that does not fit", "Expand", { x: [1, 4], more: [int64([3])] }],
    ["Expand to terabytes", "Expand", { x: [1, 4], more: [int64([2 ** 40, 4])] }],
    ["Expand to a negative size", "Expand", { x: [1, 4], more: [int64([-1, 4])] }],
    ["Tile by a negative count", "Tile", { x: [1, 4], more: [int64([-1, 1])] }],
    ["Tile by too few counts", "Tile", { x: [1, 4], more: [int64([1])] }],
    ["Tile to terabytes", "Tile", { x: [1, 4], more: [int64([2 ** 40, 4])] }],
    ["Resize to terabytes", "Resize", { x: image, more: [undefined, undefined, int64([1, 4, 2 ** 20, 2 ** 20])] }],
    ["Resize by 2^40", "Resize", { x: image, more: [undefined, float32([1, 1, 2 ** 40, 1])] }],
    ["Resize by a negative scale", "Resize", { x: image, more: [undefined, float32([1, 1, -1, 1])] }],
    ["Resize by not-a-number", "Resize", { x: image, more: [undefined, float32([1, 1, Number.NaN, 1])] }],
    ["Resize by neither sizes nor scales", "Resize", { x: image }],
    ["DepthToSpace of channels that do not divide", "DepthToSpace", { x: image, attributes: { blocksize: 3 } }],
    ["DepthToSpace with blocksize 0", "DepthToSpace", { x: image, attributes: { blocksize: 0 } }],
    ["SpaceToDepth of sides that do not divide", "SpaceToDepth", { x: image, attributes: { blocksize: 3 } }],
    ["SpaceToDepth with blocksize -2", "SpaceToDepth", { x: image, attributes: { blocksize: -2 } }],
    [
      "BatchNormalization with other channels",
      "BatchNormalization",
      { x: image, more: [zeros(3), zeros(3), zeros(3), zeros(3)] },
    ],
    ["BatchNormalization without statistics", "BatchNormalization", { x: image, more: [zeros(4), zeros(4)] }],
    ["LayerNormalization outside", "LayerNormalization", { x: [1, 4], more: [zeros(4)], attributes: { axis: 2 } }],
    ["LayerNormalization with another scale", "LayerNormalization", { x: [1, 4], more: [zeros(3)] }],
    ["InstanceNormalization with other channels", "InstanceNormalization", { x: image, more: [zeros(3), zeros(3)] }],
    ["ReduceMean outside", "ReduceMean", { x: [1, 4], more: [int64([2])] }],
    ["ReduceMean that names an axis twice", "ReduceMean", { x: [1, 4], more: [int64([1, -1])] }],
    ["ReduceSum with floats as axes", "ReduceSum", { x: [1, 4], more: [float32([1])] }],
    ["LpNormalization outside", "LpNormalization", { x: [1, 4], attributes: { axis: 2 } }],
    ["PRelu with a slope that does not broadcast", "PRelu", { x: [1, 4], more: [zeros(3)] }],
    ["Add of shapes that do not broadcast", "Add", { x: [1, 4], more: [zeros(3)] }],
    ["Add of other element types", "Add", { x: [1, 4], more: [int64([1])] }],
    ["Where with a condition of floats", "Where", { x: [1, 4], more: [zeros(4), zeros(4)] }],
    ["Cast to text", "Cast", { x: [1, 4], attributes: { to: 8 } }],
    ["Cast to nothing", "Cast", { x: [1, 4] }],
    ["Einsum without an equation", "Einsum", { x: [1, 4], more: [zeros(4, 2)] }],
    ["Einsum of other sizes", "Einsum", { x: [1, 4], more: [zeros(3, 2)], attributes: { equation: "ij,jk->ik" } }],
    ["Einsum of other ranks", "Einsum", { x: [1, 4], more: [zeros(4, 2)], attributes: { equation: "ijk,kl->il" } }],
    [
      "Einsum with an unknown result",
      "Einsum",
      { x: [1, 4], more: [zeros(4, 2)], attributes: { equation: "ij,jk->iz" } },
    ],
    ["Einsum of nonsense", "Einsum", { x: [1, 4], more: [zeros(4, 2)], attributes: { equation: "->->,," } }],
    [
      "Einsum of a megabyte",
      "Einsum",
      { x: [1, 4], more: [zeros(4, 2)], attributes: { equation: "i".repeat(1 << 20) } },
    ],
    ["more outputs than it has", "Relu", { x: [1, 4], outputs: 3 }],
    ["Clip with a minimum of another type", "Clip", { x: [1, 4], more: [int64(0)] }],
  ])("is refused with its name: %s", (_, op, given) => {
    const started = process.cpuUsage();
    let error: unknown;
    try {
      read(op, given);
    } catch (reason) {
      error = reason;
    }
    expect(error).toBeInstanceOf(OnnxGradError);
    expect((error as Error).message).toMatch(new RegExp(`${op} node "bad"`));
    // A guard against a hang, not a measure of speed: processor time in microseconds, which other
    // programs do not lengthen.
    expect(process.cpuUsage(started).user).toBeLessThan(30e6);
  });

  it.each<[string, string, Case, readonly number[]]>([
    ["NaN", "LeakyRelu", { x: [1, 4], attributes: { alpha: { float: Number.NaN } } }, [1, 4]],
    [
      "infinity",
      "Gemm",
      { x: [1, 4], more: [zeros(4, 3)], attributes: { alpha: { float: Number.POSITIVE_INFINITY } } },
      [1, 3],
    ],
    [
      "a slice to the end of int64",
      "Slice",
      { x: [1, 4], more: [int64([-(2 ** 62)]), int64([2 ** 62]), int64([1])] },
      [1, 4],
    ],
    ["a piece of no elements", "Slice", { x: [1, 4], more: [int64([3]), int64([1]), int64([1])] }, [1, 0]],
    ["no elements at all", "Relu", { x: [0, 4] }, [0, 4]],
  ])("is told from one that can: %s", (_, op, given, shape) => {
    expect(read(op, given).types.get("y")?.shape).toEqual(shape);
  });
});
