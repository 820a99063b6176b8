import { existsSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { placeAfterReshape } from "../../src/batch/place.ts";
import { proveBatch } from "../../src/batch/prove.ts";
import { setBatch } from "../../src/batch/set-batch.ts";
import { foldConstants } from "../../src/fold/fold.ts";
import { readModel } from "../../src/format/model.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { itemAt } from "../../src/graph/item-at.ts";
import { float32, int64, sizeOf } from "../../src/graph/tensor.ts";
import { type NodeSketch, sketch } from "../support/draft.ts";
import { run, shared, wave } from "../support/engine.ts";

const int = (value: number) => ({ int: value });
const ints = (...values: number[]) => ({ ints: values });
const perm = (...axes: number[]) => ({ perm: ints(...axes) });

/** Every way between fixed and open batches gives the numbers of one image after the other. */
async function prove(graph: Graph): Promise<void> {
  const open = setBatch(graph, "N");
  for (const batched of [open, setBatch(graph, 6), setBatch(open, 6), setBatch(setBatch(setBatch(graph, 2), "M"), 6)]) {
    expect(await proveBatch(graph, batched, run)).toBeLessThan(1e-5);
  }
  // A check that cannot fail would show nothing: the outputs must depend on the image.
  const [input = ""] = graph.inputs;
  const dims = graph.types.get(input)?.shape as number[];
  const [one, other] = [await run(graph, { [input]: wave(dims) }), await run(graph, { [input]: wave(dims, 1) })];
  for (const output of graph.outputs) expect(one[output]).not.toEqual(other[output]);
}

describe.each(["mobilefacenet", "fr_feature"])("%s (fixed at one image; needs shared/weights)", (name) => {
  const path = join(shared, "weights", `${name}.onnx`);
  it.skipIf(!existsSync(path))("takes any batch", async () => {
    const graph = await readModel(path);
    expect(await proveBatch(graph, setBatch(graph, 5), run)).toBeLessThan(1e-5);
    const open = setBatch(graph, "N");
    expect(await proveBatch(graph, open, run, { rounds: 5 })).toBeLessThan(1e-5);
    expect(open.types.get(itemAt(open.inputs, 0))?.shape).toEqual([{ symbol: "N", times: 1 }, 3, 112, 112]);
    expect(open.types.get(itemAt(open.outputs, 0))?.shape[0]).toEqual({ symbol: "N", times: 1 });
    expect(setBatch(open, 1).types).toEqual(graph.types);
  });
});

/**
 * Images of 2 x 2 windows of 5 x 5 with 8 channels, attended to with 2 heads folded into the batch.
 */
const windows = (batch: number): readonly [NodeSketch[], Record<string, ReturnType<typeof int64>>] => [
  [
    ["Reshape", "x split", "a"],
    ["Transpose", "a", "b", perm(0, 1, 3, 2, 4, 5)],
    ["Reshape", "b windows", "c"],
    ["MatMul", "c weights", "d"],
    ["Reshape", "d heads", "e"],
    ["Transpose", "e", "f", perm(0, 2, 1, 3)],
    ["Reshape", "f folded", "g"],
    ["Transpose", "g", "h", perm(0, 2, 1)],
    ["MatMul", "g h", "i"],
    ["Softmax", "i", "j", { axis: int(-1) }],
    ["MatMul", "j g", "k"],
    ["Reshape", "k unfolded", "l"],
    ["Transpose", "l", "m", perm(0, 2, 1, 3)],
    ["Reshape", "m grid", "n"],
    ["Transpose", "n", "o", perm(0, 1, 3, 2, 4, 5)],
    ["Reshape", "o image", "y"],
  ],
  {
    split: int64([batch, 2, 5, 2, 5, 8]),
    windows: int64([batch * 4, 25, 8]),
    heads: int64([batch * 4, 25, 2, 4]),
    folded: int64([batch * 8, 25, 4]),
    unfolded: int64([batch * 4, 2, 25, 4]),
    grid: int64([batch, 2, 2, 5, 5, 8]),
    image: int64([batch, 10, 10, 8]),
    weights: wave([8, 8]) as ReturnType<typeof int64>,
  },
];

/** Queries, keys and values from one product, their axis moved before the batch. */
const QKV: readonly NodeSketch[] = [
  ["MatMul", "x weights", "a"],
  ["Reshape", "a parts", "b"],
  ["Transpose", "b", "c", perm(2, 0, 3, 1, 4)],
  ["Split", "c", "q0 k0 v0", { axis: int(0) }],
  ["Squeeze", "q0 zero", "q"],
  ["Squeeze", "k0 zero", "k"],
  ["Squeeze", "v0 zero", "v"],
  ["Transpose", "k", "kt", perm(0, 1, 3, 2)],
  ["MatMul", "q kt", "s"],
  ["Softmax", "s", "p", { axis: int(-1) }],
  ["MatMul", "p v", "o"],
  ["Transpose", "o", "m", perm(0, 2, 1, 3)],
  ["Reshape", "m joined", "y"],
];

describe("graphs with the batch in unusual places", () => {
  it.each([1, 2])("windows and heads folded into a batch of %i", async (batch) => {
    const [nodes, constants] = windows(batch);
    const graph = foldConstants(sketch({ x: [batch, 10, 10, 8] }, nodes, "y", constants));
    const open = setBatch(graph, "N");
    expect(open.types.get("g")?.shape[0]).toEqual({ symbol: "N", times: 8 });
    if (batch === 1) await prove(graph);
    else expect(await proveBatch(graph, open, run)).toBeLessThan(1e-5);
  });

  it("queries, keys and values before the batch", async () => {
    const constants = {
      weights: wave([8, 24]),
      parts: int64([1, 7, 3, 2, 4]),
      zero: int64([0]),
      joined: int64([1, 7, 8]),
    };
    const graph = foldConstants(sketch({ x: [1, 7, 8] }, QKV, "y", constants));
    expect(setBatch(graph, "N").types.get("c")?.shape).toEqual([3, { symbol: "N", times: 1 }, 2, 7, 4]);
    await prove(graph);
  });

  it("the batch as an inner part of an axis", async () => {
    const nodes: NodeSketch[] = [
      ["Transpose", "x", "a", perm(1, 0, 2)],
      ["Reshape", "a merged", "b"],
      ["Tanh", "b", "c"],
      ["Reshape", "c apart", "d"],
      ["Transpose", "d", "y", perm(1, 0, 2)],
    ];
    const graph = foldConstants(
      sketch({ x: [2, 3, 4] }, nodes, "y", { merged: int64([6, 4]), apart: int64([3, 2, 4]) }),
    );
    expect(setBatch(graph, "N").types.get("d")?.shape).toEqual([3, { symbol: "N", times: 1 }, 4]);
    expect(await proveBatch(graph, setBatch(graph, 8), run)).toBeLessThan(1e-6);
  });

  it("a class token that does not know the batch", async () => {
    const nodes: NodeSketch[] = [
      ["Concat", "token x", "a", { axis: int(1) }],
      ["Add", "a places", "b"],
      ["Gather", "b first", "c", { axis: int(1) }],
      ["Mul", "c c", "d"],
      ["ReduceMean", "b", "m", { axes: ints(1), keepdims: int(0) }],
      ["Add", "d m", "y"],
    ];
    const constants = { token: wave([1, 1, 8]), places: wave([1, 5, 8]), first: int64(1) };
    await prove(foldConstants(sketch({ x: [1, 4, 8] }, nodes, "y", constants)));
  });

  it("a class token expanded to a batch of 2", async () => {
    const nodes: NodeSketch[] = [
      ["Expand", "token target", "t"],
      ["Concat", "t x", "y", { axis: int(1) }],
    ];
    const graph = foldConstants(
      sketch({ x: [2, 4, 8] }, nodes, "y", { token: wave([1, 1, 8]), target: int64([2, 1, 8]) }),
    );
    expect(await proveBatch(graph, setBatch(graph, "N"), run)).toBe(0);
    expect(await proveBatch(graph, setBatch(graph, 6), run)).toBe(0);
  });

  it("expansions, whole slices and flattening", async () => {
    const nodes: NodeSketch[] = [
      ["Slice", "x zero one zero", "a"],
      ["Expand", "a target", "b"],
      ["Flatten", "b", "y"],
    ];
    const constants = { zero: int64([0]), one: int64([1]), target: int64([1, 4, 8]) };
    await prove(foldConstants(sketch({ x: [1, 1, 8] }, nodes, "y", constants)));
  });

  it("inputs that hold no images keep their shape", async () => {
    const graph = foldConstants(sketch({ x: [1, 3], theta: [3, 2] }, [["MatMul", "x theta", "y"]], "y"));
    const open = setBatch(graph, "N", { inputs: ["x"] });
    expect(open.types.get("theta")?.shape).toEqual([3, 2]);
    expect(await proveBatch(graph, open, run, { shared: ["theta"] })).toBeLessThan(1e-6);
  });
});

describe("what cannot be decided is refused by name", () => {
  it.each<[string, readonly NodeSketch[], RegExp]>([
    [
      "one image taken",
      [["Gather", "x zero0", "y", { axis: int(0) }]],
      /Gather node "Gather_y": .*does not hold one part per image/,
    ],
    ["a mean over images", [["ReduceMean", "x", "y", { axes: ints(0) }]], /ReduceMean node .*one part per image/],
    ["a softmax over images", [["Softmax", "x", "y", { axis: int(0) }]], /combines the images/],
    ["a squeezed batch", [["Squeeze", "x zero", "y"]], /axis 0 of \[N, 4, 6\] is not 1/],
    ["a squeeze without axes", [["Squeeze", "x", "y"]], /drops the batch/],
    ["joined images", [["Concat", "x x", "y", { axis: int(0) }]], /joins along the batch/],
    [
      "images against images",
      [
        ["Reshape", "x flat", "a"],
        ["Transpose", "a", "b"],
        ["MatMul", "a b", "y"],
      ],
      /compares images/,
    ],
    ["repeated images", [["Expand", "x three", "y"]], /repeats images/],
    ["padded images", [["Pad", "x pads", "y"]], /pads the open dimension/],
  ])("%s", (_, nodes, message) => {
    const constants = {
      zero0: int64(0),
      zero: int64([0]),
      flat: int64([1, 24]),
      three: int64([3, 4, 6]),
      pads: int64([0, 0, 0, 1, 0, 0]),
    };
    const graph = foldConstants(sketch({ x: [1, 4, 6] }, nodes, "y", constants));
    expect(() => setBatch(graph, "N")).toThrow(message);
  });

  it.each([0, -1, 1.5, Number.NaN, ""])("a batch of %j", (batch) => {
    const graph = foldConstants(sketch({ x: [1, 4] }, [["Relu", "x", "y"]], "y"));
    expect(() => setBatch(graph, batch)).toThrow(/batch/);
  });

  it("inputs with different batches", () => {
    const graph = foldConstants(sketch({ x: [1, 3], theta: [3, 2] }, [["MatMul", "x theta", "y"]], "y"));
    expect(() => setBatch(graph, "N")).toThrow(/name those with images/);
    expect(() => setBatch(graph, "N", { inputs: ["z"] })).toThrow(/"z" is not an input/);
  });
});

describe("proveBatch", () => {
  it("finds a model that mixes images", async () => {
    const graph = foldConstants(sketch({ x: [1, 4] }, [["Relu", "x", "y"]], "y"));
    const open = [{ symbol: "N", times: 1 }, 4];
    const mixing = foldConstants(
      sketch(
        { x: open },
        [
          ["ReduceMean", "x", "m", { axes: ints(0) }],
          ["Sub", "x m", "y"],
        ],
        "y",
      ),
    );
    await expect(proveBatch(graph, mixing, run)).rejects.toThrow(/output "y" .* differs by .*mixes images/);
  });

  it("refuses a batch that is no multiple", async () => {
    const graph = foldConstants(sketch({ x: [2, 4] }, [["Relu", "x", "y"]], "y"));
    await expect(proveBatch(graph, setBatch(graph, 3), run)).rejects.toThrow(/not a multiple/);
  });
});

describe("placeAfterReshape", () => {
  it("prefers the axis that is the batch alone", () => {
    const start = { axis: 0, outer: 1, inner: 1 };
    expect(placeAfterReshape([1, 8, 1, 1], [1, 8], start, 1)).toEqual(start);
    expect(placeAfterReshape([1, 4, 25], [4, 25], start, 1)).toEqual({ axis: 0, outer: 1, inner: 4 });
    expect(placeAfterReshape([3, 2, 4], [6, 4], { axis: 1, outer: 1, inner: 1 }, 2)).toEqual({
      axis: 0,
      outer: 3,
      inner: 1,
    });
  });

  it("names the image of every element, however the axes are grouped", () => {
    const groups = fc.array(fc.boolean(), { minLength: 7, maxLength: 7 });
    const factors = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(factors, fc.nat(7), groups, groups, (sizes, at, one, other) => {
        const batch = 5;
        const dims = sizes.map((size, axis) => (axis === at ? batch : size));
        // Neighbouring factors joined where a flag says so; the batch lies in one of the axes.
        const group = (joins: readonly boolean[]): number[] => {
          const shape: number[] = [];
          dims.forEach((dim, axis) => {
            if (axis > 0 && joins[axis - 1]) shape.push((shape.pop() ?? 1) * dim);
            else shape.push(dim);
          });
          return shape;
        };
        const start = { axis: at, outer: 1, inner: 1 };
        const first = placeAfterReshape(dims, group(one), start, batch);
        const second = first && placeAfterReshape(group(one), group(other), first, batch);
        expect(second).toBeDefined();
        const inside = (shape: readonly number[], place: typeof start): number =>
          shape.slice(place.axis + 1).reduce((product, dim) => product * dim, place.inner);
        const image = (index: number, width: number): number => Math.floor(index / width) % batch;
        const widths = [inside(dims, start), inside(group(other), second ?? start)] as const;
        for (let index = 0; index < sizeOf(dims); index++)
          expect(image(index, widths[0])).toBe(image(index, widths[1]));
      }),
    );
  });

  it("finds none where the batch is torn", () => {
    expect(placeAfterReshape([6, 4], [8, 3], { axis: 0, outer: 1, inner: 1 }, 6)).toBeUndefined();
  });
});

it("keeps float constants as they are", () => {
  const weights = float32([1, 2, 3, 4]);
  const graph = foldConstants(sketch({ x: [1, 4] }, [["Mul", "x w", "y"]], "y", { w: weights }));
  expect(setBatch(graph, 7).constants.get("w")).toBe(weights);
});
