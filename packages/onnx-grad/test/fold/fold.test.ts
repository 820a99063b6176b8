import { describe, expect, it } from "vitest";
import { foldConstants } from "../../src/fold/fold.ts";
import type { Shape } from "../../src/graph/dim.ts";
import { float32, int64, sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { type NodeSketch, sketch } from "../support/draft.ts";
import { expectSame } from "../support/folded.ts";

const int = (value: number) => ({ int: value });
const open = (times = 1) => ({ symbol: "N", times });

/** `x.view(x.size(0), -1)` as PyTorch writes it. */
const VIEW: readonly NodeSketch[] = [
  ["Shape", "x", "shape"],
  ["Gather", "shape zero", "first", { axis: int(0) }],
  ["Unsqueeze", "first axes", "part"],
  ["Concat", "part rest", "target", { axis: int(0) }],
  ["Reshape", "x target", "y"],
];
const VIEW_CONSTANTS = { zero: int64(0), axes: int64([0]), rest: int64([-1]) };

/** `token.expand(x.size(0), -1, -1)` and a concatenation, as PyTorch writes a class token. */
const TOKEN: readonly NodeSketch[] = [
  ["Shape", "x", "shape"],
  ["Gather", "shape zero", "first", { axis: int(0) }],
  ["Unsqueeze", "first axes", "part"],
  ["Concat", "part minus minus", "wanted", { axis: int(0) }],
  ["ConstantOfShape", "three", "ones", { value: { tensor: int64([1]) } }],
  ["Mul", "ones minus", "negative"],
  ["Equal", "wanted negative", "keep"],
  ["Where", "keep ones wanted", "target"],
  ["Expand", "token target", "tokens"],
  ["Concat", "tokens x", "y", { axis: int(1) }],
];
const TOKEN_CONSTANTS = {
  zero: int64(0),
  axes: int64([0]),
  minus: int64([-1]),
  three: int64([3]),
  token: float32([1, 2], [1, 1, 2]),
};

describe("shape arithmetic", () => {
  it.each<[string, Shape]>([
    ["fixed", [2, 3, 4]],
    ["open", [open(), 3, 4]],
    ["windows of an open", [open(5), 3, 4]],
  ])("of a view with a %s batch becomes one constant", async (_, shape) => {
    const graph = sketch({ x: shape }, VIEW, "y", VIEW_CONSTANTS);
    const folded = foldConstants(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Reshape"]);
    expect(folded.types.get("y")?.shape).toEqual([shape[0], 12]);
    await expectSame(graph, folded, 2);
  });

  it("of a class token stays where it follows an open batch and goes where the batch is fixed", async () => {
    const fixed = sketch({ x: [3, 4, 2] }, TOKEN, "y", TOKEN_CONSTANTS);
    const folded = foldConstants(fixed);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Expand", "Concat"]);
    await expectSame(fixed, folded, 3);
    const graph = sketch({ x: [open(), 4, 2] }, TOKEN, "y", TOKEN_CONSTANTS);
    const typed = foldConstants(graph);
    expect(typed.types.get("y")?.shape).toEqual([open(), 5, 2]);
    await expectSame(graph, typed, 3);
  });

  it.each<[string, readonly NodeSketch[]]>([
    [
      "Slice and Mul",
      [
        ["Slice", "s one three", "a"],
        ["ReduceProd", "a", "b"],
        ["Concat", "minus b", "t", { axis: int(0) }],
      ],
    ],
    [
      "Div, Sub and Cast",
      [
        ["Gather", "s two", "g"],
        ["Div", "g two", "h"],
        ["Cast", "h", "c", { to: int(6) }],
        ["Cast", "c", "d", { to: int(7) }],
        ["Sub", "d one0", "e"],
        ["Unsqueeze", "e axes", "u"],
        ["Concat", "u minus", "t", { axis: int(0) }],
      ],
    ],
    [
      "Range and Reshape",
      [
        ["Range", "one0 four one0", "r"],
        ["Reshape", "r three", "q"],
        ["Slice", "q zero1 one", "w"],
        ["Concat", "w minus", "t", { axis: int(0) }],
      ],
    ],
    [
      "floats",
      [
        ["Gather", "s two", "g"],
        ["Cast", "g", "f", { to: int(1) }],
        ["Sqrt", "f", "h"],
        ["Floor", "h", "i"],
        ["Cast", "i", "c", { to: int(7) }],
        ["Unsqueeze", "c axes", "u"],
        ["Concat", "u minus", "t", { axis: int(0) }],
      ],
    ],
    [
      "Squeeze, Min, Max and Expand",
      [
        ["Squeeze", "three axes", "q"],
        ["Min", "q two", "m"],
        ["Max", "m one0", "n"],
        ["Expand", "n one", "u"],
        ["Concat", "u minus", "t", { axis: int(0) }],
      ],
    ],
  ])("with %s gives the target that onnxruntime computes", async (_, nodes) => {
    const constants = {
      minus: int64([-1]),
      zero1: int64([0]),
      one: int64([1]),
      one0: int64(1),
      two: int64(2),
      three: int64([3]),
      four: int64(4),
      axes: int64([0]),
    };
    const graph = sketch({ x: [2, 3, 4, 6] }, [["Shape", "x", "s"], ...nodes, ["Reshape", "x t", "y"]], "y", constants);
    const folded = foldConstants(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Reshape"]);
    await expectSame(graph, folded, 1);
  });
});

describe("nodes that do nothing", () => {
  it("go away, but names of outputs stay", async () => {
    const graph = sketch(
      { x: [2, 3] },
      [
        ["Identity", "x", "a"],
        ["Dropout", "a", "b"],
        ["Cast", "b", "c", { to: int(1) }],
        ["Relu", "c", "d"],
        ["Identity", "d", "y"],
      ],
      "y",
    );
    const folded = foldConstants(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Relu", "Identity"]);
    expect(folded.outputs).toEqual(["y"]);
    await expectSame(graph, folded, 1);
  });

  it("stay if they do something", () => {
    const training: Tensor = { dtype: "bool", dims: [], data: Uint8Array.of(1) };
    const graph = sketch({ x: [2] }, [["Dropout", "x ratio training", "y"]], "y", { ratio: float32(0.5), training });
    expect(foldConstants(graph).nodes.map((node) => node.op)).toEqual(["Dropout"]);
    const masked = sketch({ x: [2] }, [["Dropout", "x", "y mask"]], "y mask");
    expect(foldConstants(masked).nodes.map((node) => node.op)).toEqual(["Dropout"]);
  });

  it("and dead ones are dropped with their constants", () => {
    const graph = sketch(
      { x: [2] },
      [
        ["Relu", "x", "y"],
        ["Add", "x c", "z"],
      ],
      "y",
      { c: float32([1, 2]) },
    );
    const folded = foldConstants(graph);
    expect([folded.nodes.length, folded.constants.size, [...folded.types.keys()]]).toEqual([1, 0, ["x", "y"]]);
  });
});

it("never folds weights: products of float constants stay nodes", () => {
  const graph = sketch(
    { x: [2] },
    [
      ["Mul", "a b", "w"],
      ["Add", "x w", "y"],
    ],
    "y",
    { a: float32([1, 2]), b: float32([3, 4]) },
  );
  expect(foldConstants(graph).nodes.map((node) => node.op)).toEqual(["Mul", "Add"]);
});

it("folds twice as once", () => {
  const once = foldConstants(sketch({ x: [open(), 3, 4] }, VIEW, "y", VIEW_CONSTANTS));
  expect(foldConstants(once)).toEqual(once);
});

it("names an index that is out of range", () => {
  const graph = sketch(
    { x: [2, 3] },
    [
      ["Shape", "x", "s"],
      ["Gather", "s five", "y"],
    ],
    "y",
    { five: int64(5) },
  );
  expect(() => foldConstants(graph)).toThrow(/Gather node "Gather_y": index 5 is outside its axis of 2/);
});

it("leaves vectors that are too long to the engine", () => {
  const graph = sketch(
    {},
    [
      ["ConstantOfShape", "size", "y0", { value: { tensor: int64([1]) } }],
      ["Neg", "y0", "y"],
    ],
    "y",
    { size: int64([100_000]) },
  );
  const folded = foldConstants(graph);
  expect(folded.nodes.map((node) => node.op)).toEqual(["ConstantOfShape", "Neg"]);
  expect(sizeOf(folded.types.get("y")?.shape as number[])).toBe(100_000);
});

it("does not follow joins that double at every node", () => {
  const nodes = Array.from(
    { length: 60 },
    (_, index): NodeSketch => ["Concat", `v${index} v${index}`, `v${index + 1}`, { axis: int(0) }],
  );
  const graph = sketch({}, nodes.slice(0, 40), "v40", { v0: int64([1]) });
  expect(foldConstants(graph).types.get("v40")?.shape).toEqual([2 ** 40]);
  expect(() => foldConstants(sketch({}, nodes, "v60", { v0: int64([1]) }))).toThrow(/would have shape/);
});
