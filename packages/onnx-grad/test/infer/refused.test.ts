import { describe, expect, it } from "vitest";
import type { Shape } from "../../src/graph/dim.ts";
import type { Attributes } from "../../src/graph/graph.ts";
import { float32, int64, type Tensor } from "../../src/graph/tensor.ts";
import { infer, int, ints } from "./cases.ts";

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
