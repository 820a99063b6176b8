import { describe, expect, it } from "vitest";
import { foldConstants } from "../../src/fold/fold.ts";
import type { Shape } from "../../src/graph/dim.ts";
import { float32, int64 } from "../../src/graph/tensor.ts";
import { proveBatch, setBatch } from "../../src/index.ts";
import { type NodeSketch, sketch } from "../support/draft.ts";
import { run } from "../support/engine.ts";
import { expectSame } from "../support/folded.ts";

const int = (value: number) => ({ int: value });
const open = (times = 1) => ({ symbol: "N", times });

/**
 * `F.pad(x, (0, 0, 0, (7 - W % 7) % 7, 0, (7 - H % 7) % 7))` as the TorchScript exporter writes it:
 * pairs from the last axis on, turned round.
 */
const PAD: readonly NodeSketch[] = [
  ["Shape", "x", "shape"],
  ["Gather", "shape one", "height", { axis: int(0) }],
  ["Gather", "shape two", "width", { axis: int(0) }],
  ...["height", "width"].flatMap((side): NodeSketch[] => [
    ["Mod", `${side} seven`, `${side}_rest`],
    ["Sub", `seven ${side}_rest`, `${side}_missing`],
    ["Mod", `${side}_missing seven`, `${side}_pad`],
    ["Unsqueeze", `${side}_pad axes`, `${side}_vector`],
  ]),
  ["Concat", "none none none width_vector none height_vector", "pairs", { axis: int(0) }],
  ["Shape", "pairs", "pairs_shape"],
  ["Gather", "pairs_shape axes", "given", { axis: int(0) }],
  ["Sub", "eight given", "left"],
  ["ConstantOfShape", "left", "zeros", { value: { tensor: int64([0]) } }],
  ["Concat", "pairs zeros", "all", { axis: int(0) }],
  ["Reshape", "all by_two", "matrix"],
  ["Slice", "matrix last first axes back", "reversed"],
  ["Transpose", "reversed", "turned", { perm: { ints: [1, 0] } }],
  ["Reshape", "turned flat", "pads"],
  ["Cast", "pads", "whole_pads", { to: int(7) }],
  ["Pad", "x whole_pads", "y", { mode: { string: "constant" } }],
];
const PAD_CONSTANTS = {
  one: int64(1),
  two: int64(2),
  seven: int64(7),
  eight: int64([8]),
  axes: int64([0]),
  none: int64([0]),
  by_two: int64([-1, 2]),
  last: int64([-1]),
  first: int64([-(2 ** 53)]),
  back: int64([-1]),
  flat: int64([-1]),
};

describe("a window's pads", () => {
  it.each<[string, Shape]>([
    ["fixed", [2, 5, 9, 3]],
    ["open", [open(), 5, 9, 3]],
  ])("become a constant with a %s batch", async (_, shape) => {
    const graph = sketch({ x: shape }, PAD, "y", PAD_CONSTANTS);
    const folded = foldConstants(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Pad"]);
    expect(folded.types.get("y")?.shape).toEqual([shape[0], 7, 14, 3]);
    await expectSame(graph, folded, 2);
  });

  it("go away where there are none", async () => {
    const graph = sketch({ x: [open(), 14, 7, 3] }, [...PAD, ["Relu", "y", "z"]], "z", PAD_CONSTANTS);
    const folded = foldConstants(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Relu"]);
    await expectSame(graph, folded, 2);
  });
});

describe("reshapes and expansions to the same shape", () => {
  it("go away, but stay where only the number of elements is the same", async () => {
    const nodes: NodeSketch[] = [
      ["Reshape", "x same", "a"],
      ["Expand", "a same", "b"],
      ["Reshape", "b other", "c"],
      ["Relu", "c", "y"],
    ];
    const graph = sketch({ x: [2, 6] }, nodes, "y", { same: int64([2, 6]), other: int64([3, 4]) });
    const folded = foldConstants(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Reshape", "Relu"]);
    expect(folded.nodes[0]?.inputs).toEqual(["x", "other"]);
    await expectSame(graph, folded);
  });
});

/**
 * Indices of `as_strided` to [N, C, 1, 1], as torch.export's exporter writes them for a batch that
 * is open.
 */
const STRIDED: readonly NodeSketch[] = [
  ["Shape", "x", "shape", { start: int(0), end: int(1) }],
  ["Squeeze", "shape", "batch"],
  ["Range", "zero batch one", "images"],
  ["Mul", "images stride", "starts"],
  ["Unsqueeze", "starts later", "column"],
  ["Add", "column channels", "indices"],
  ["Reshape", "x flat", "vector"],
  ["Gather", "vector indices", "y", { axis: int(0) }],
];
const counting = (dims: number[], step = 1, from = 0) =>
  int64(
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => from + i * step),
    dims,
  );
const STRIDED_CONSTANTS = {
  zero: int64(0),
  one: int64(1),
  stride: int64(4),
  later: int64([1, 2, 3]),
  channels: counting([1, 4, 1, 1]),
  flat: int64([-1]),
};

describe("as_strided", () => {
  it("with an open batch becomes a reshape", async () => {
    const graph = sketch({ x: [open(), 2, 2] }, STRIDED, "y", STRIDED_CONSTANTS, 18);
    const folded = foldConstants(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Reshape", "Reshape"]);
    expect(folded.types.get("y")?.shape).toEqual([open(), 4, 1, 1]);
    await expectSame(graph, folded, 3);
  });

  it.each<[string, Partial<typeof STRIDED_CONSTANTS>]>([
    ["rows overlap", { stride: int64(2) }],
    ["it starts further on", { channels: counting([1, 4, 1, 1], 1, 1) }],
    ["it takes every other element", { channels: counting([1, 4, 1, 1], 2) }],
    ["it counts from another image", { zero: int64(1), one: int64(1) }],
  ])("stays a Gather or is refused where %s", (_, constants) => {
    const graph = sketch({ x: [open(), 2, 2] }, STRIDED, "y", { ...STRIDED_CONSTANTS, ...constants }, 18);
    let ops: string[] = [];
    try {
      ops = foldConstants(graph).nodes.map((node) => node.op);
    } catch (error) {
      expect(String(error)).toMatch(/Range node/);
      return;
    }
    expect(ops).toContain("Gather");
  });

  it("of one image becomes a reshape, so that the batch can be opened", async () => {
    const nodes: NodeSketch[] = [
      ["Reshape", "x flat", "vector"],
      ["Gather", "vector indices", "y", { axis: int(0) }],
    ];
    const graph = sketch({ x: [1, 6] }, nodes, "y", { flat: int64([-1]), indices: counting([1, 3, 2]) }, 18);
    const folded = foldConstants(graph);
    expect(folded.types.get("y")?.shape).toEqual([1, 3, 2]);
    await expectSame(graph, folded);
    const opened = setBatch(folded, "N");
    expect(opened.types.get("y")?.shape).toEqual([open(), 3, 2]);
    expect(await proveBatch(folded, opened, run)).toBe(0);
  });

  it("in another order is told from a reshape", () => {
    const nodes: NodeSketch[] = [
      ["Reshape", "x flat", "vector"],
      ["Gather", "vector indices", "y", { axis: int(0) }],
    ];
    const indices = int64([0, 2, 4, 1, 3, 5], [1, 2, 3]);
    const graph = foldConstants(sketch({ x: [1, 6] }, nodes, "y", { flat: int64([-1]), indices }, 18));
    expect(graph.nodes.map((node) => node.op)).toEqual(["Reshape", "Gather"]);
    expect(() => setBatch(graph, "N")).toThrow(/Gather node .* does not hold one part per image/);
  });
});

describe("integer constants of several axes", () => {
  it("are gathered, sliced, joined and transposed as onnxruntime does it", async () => {
    const nodes: NodeSketch[] = [
      ["Gather", "table rows", "gathered", { axis: int(1) }],
      ["Slice", "gathered from to along step", "sliced"],
      ["Concat", "sliced gathered", "joined", { axis: int(-1) }],
      ["Transpose", "joined", "turned", { perm: { ints: [2, 0, 1, 3] } }],
      ["Cast", "turned", "numbers", { to: int(1) }],
      ["Add", "numbers x", "y"],
    ];
    const graph = sketch({ x: [1] }, nodes, "y", {
      table: counting([2, 3, 4]),
      rows: int64([2, -3, 1, 0], [2, 2]),
      from: int64([-1, 3]),
      to: int64([-100, 0]),
      along: int64([1, 3]),
      step: int64([-1, -2]),
    });
    const folded = foldConstants(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Add"]);
    await expectSame(graph, folded);
  });
});

describe("CastLike, as torch.export's exporter writes bounds before it optimises", () => {
  it.each([
    ["of the same type", float32(0.25)],
    ["of another", int64(0)],
  ])("makes a constant %s a constant", async (_, bound) => {
    const nodes: NodeSketch[] = [
      ["CastLike", "bound x", "low"],
      ["Clip", "x low", "y"],
    ];
    const graph = sketch({ x: [open(), 4] }, nodes, "y", { bound }, 18);
    const folded = foldConstants(graph);
    expect(folded.nodes.map((node) => node.op)).toEqual(["Clip"]);
    expect(folded.constants.has(folded.nodes[0]?.inputs[1] ?? "")).toBe(true);
    await expectSame(graph, folded, 2);
  });
});
