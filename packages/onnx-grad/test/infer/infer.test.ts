import { describe, expect, it } from "vitest";
import { GraphBuilder } from "../../src/build/builder.ts";
import { encodeModel } from "../../src/format/model.ts";
import { isStatic, type Shape } from "../../src/graph/dim.ts";
import { bytesOf, tensorOfBytes } from "../../src/graph/dtypes.ts";
import type { Attributes } from "../../src/graph/graph.ts";
import { itemAt } from "../../src/graph/item-at.ts";
import { float32, int64, sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { runModel } from "../support/engine.ts";
import { CASES, type Case, infer, int, ints, N } from "./cases.ts";

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
