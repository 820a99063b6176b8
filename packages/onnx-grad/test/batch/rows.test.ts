import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BatchPlace } from "../../src/batch/place.ts";
import { proveRows } from "../../src/batch/rows/prove.ts";
import { imageOf, traceRows, type ValueRows } from "../../src/batch/rows/trace.ts";
import { itemAt } from "../../src/graph/item-at.ts";
import { sizeOf, type Tensor } from "../../src/graph/tensor.ts";
import { type Graph, GraphBuilder, type Ops, ops, type Shape, setBatch } from "../../src/index.ts";
import { run, wave } from "../support/engine.ts";

const open = (times: number) => ({ symbol: "N", times });

/** A graph with an open batch: `body` takes x to the output. */
function graphOf(shape: Shape, body: (o: Ops, x: string) => string, opset = 18): Graph {
  const b = new GraphBuilder({ name: "rows", opset });
  const x = b.input("x", { dtype: "float32", shape });
  return b.build([body(ops(b), x)]);
}

const rowsOf = (graph: Graph): ValueRows | undefined => traceRows(graph).get(itemAt(graph.outputs, 0));

/** The place of a graph's output, as [axis, outer, inner], or why it has none. */
function traced(graph: Graph): number[] | string {
  const rows = rowsOf(graph);
  if (rows?.kind === "images") return [rows.place.axis, rows.place.outer, rows.place.inner];
  return rows?.kind === "lost" ? rows.reason : "shared";
}

const constant = (o: Ops, ...dims: number[]): string => o.floats(wave(dims).data as Float32Array, dims);

/** Two batches of `batch` images for the only input of a graph. */
function feedsOf(graph: Graph, batch: number): { first: { x: Tensor }; second: { x: Tensor } } {
  const dims = (graph.types.get("x")?.shape ?? []).map((dim) => (typeof dim === "number" ? dim : dim.times * batch));
  return { first: { x: wave(dims) }, second: { x: wave(dims, 1) } };
}

describe("traceRows", () => {
  it("keeps the images apart through reshapes and transposes", () => {
    const shapes: [(o: Ops, x: string) => string, number[]][] = [
      [(o, x) => o.reshape(x, [open(4), 6]), [0, 1, 4]],
      [(o, x) => o.reshape(x, [open(24)]), [0, 1, 24]],
      [(o, x) => o.transpose(x, [1, 0, 2]), [1, 1, 1]],
      [(o, x) => o.reshape(o.transpose(x, [1, 0, 2]), [open(4), 6]), [0, 4, 1]],
      [(o, x) => o.reshape(o.transpose(x, [1, 0, 2]), [open(24)]), [0, 4, 6]],
      [(o, x) => o.reshape(o.transpose(x, [1, 0, 2]), [2, open(2), 6]), [1, 2, 1]],
      [(o, x) => o.reshape(o.transpose(x, [1, 2, 0]), [open(24)]), [0, 24, 1]],
      [(o, x) => o.unsqueeze(o.transpose(x, [2, 0, 1]), [0, 2]), [3, 1, 1]],
      [(o, x) => o.builder.add("Flatten", [x], { axis: { int: 2 } }), [0, 1, 4]],
    ];
    for (const [body, place] of shapes) expect(traced(graphOf([open(1), 4, 6], body))).toEqual(place);
  });

  it("keeps them apart through what works along other axes", () => {
    const bodies: [(o: Ops, x: string) => string, number[]][] = [
      [(o, x) => o.reduceMean(x, [0, 2], false), [0, 1, 1]],
      [(o, x) => o.reduceMean(x, [0, 2], true), [1, 1, 1]],
      [(o, x) => o.softmax(x, 2), [1, 1, 1]],
      [(o, x) => o.concat([o.slice(x, [2], [4], [0]), o.slice(x, [0], [2], [0])], 0), [1, 1, 1]],
      [(o, x) => itemAt(o.split(x, [1, 3], 0), 1), [1, 1, 1]],
      [(o, x) => o.pad(x, [1, 0, 0, 0, 0, 2]), [1, 1, 1]],
      [(o, x) => o.gather(x, o.ints([1, 1]), 2), [1, 1, 1]],
      [
        (o, x) => o.gather(x, o.builder.constant({ dtype: "int64", dims: [], data: BigInt64Array.of(1n) }), 0),
        [0, 1, 1],
      ],
      [
        (o, x) => o.gather(x, o.builder.constant({ dtype: "int64", dims: [1, 1], data: BigInt64Array.of(1n) }), 0),
        [2, 1, 1],
      ],
      [(o, x) => o.tile(x, [2, 1, 1]), [1, 1, 1]],
      [(o, x) => o.add(x, constant(o, 4, 1, 6)), [1, 1, 1]],
      [(o, x) => o.add(o.slice(x, [0], [1], [0]), constant(o, 5, 1, 1, 6)), [2, 1, 1]],
      [(o, x) => o.expand(o.slice(x, [0], [1], [0]), [3, open(1), 6]), [1, 1, 1]],
      [(o, x) => o.matmul(x, constant(o, 6, 2)), [1, 1, 1]],
      [(o, x) => o.matmul(x, o.transpose(x, [0, 2, 1])), [-1]],
      [(o, x) => o.slice(x, [0], [2 ** 31 - 1], [1]), [1, 1, 1]],
    ];
    for (const [body, place] of bodies) {
      // The input has its batch first; a transpose brings it to the middle.
      const moved = traced(graphOf([open(1), 4, 6], (o, x) => body(o, o.transpose(x, [1, 0, 2]))));
      if (place[0] === -1) expect(moved).toMatch(/does not hold one part for each image|combines rows of different/);
      else expect(moved).toEqual(place);
    }
  });

  it("counts copies of the batch along its axis as an outer part", () => {
    expect(traced(graphOf([open(1), 3], (o, x) => o.concat([x, o.neg(x)], 0)))).toEqual([0, 2, 1]);
    expect(traced(graphOf([open(1), 3], (o, x) => o.tile(x, [3, 1])))).toEqual([0, 3, 1]);
    expect(
      traced(graphOf([open(1), 3], (o, x) => o.concat([o.reshape(x, [open(3), 1]), o.reshape(x, [open(3), 1])], 0))),
    ).toEqual([0, 2, 3]);
    const halves = (o: Ops, x: string): string =>
      itemAt(
        o.builder.addAll("Split", [o.concat([x, x], 0)], { axis: { int: 0 }, num_outputs: { int: 2 } }, { outputs: 2 }),
        1,
      );
    expect(traced(graphOf([open(1), 3], halves))).toEqual([0, 1, 1]);
  });

  it("follows products by the axes they keep", () => {
    const einsum =
      (equation: string, ...dims: number[]) =>
      (o: Ops, x: string): string =>
        o.builder.add("Einsum", dims.length > 0 ? [x, constant(o, ...dims)] : [x, x], {
          equation: { string: equation },
        });
    expect(traced(graphOf([open(1), 4, 6], einsum("bij,jk->kbi", 6, 2)))).toEqual([1, 1, 1]);
    expect(traced(graphOf([open(1), 4, 6], einsum("bij,bkj->bik")))).toEqual([0, 1, 1]);
    expect(traced(graphOf([open(1), 4, 6], einsum("bij,bkj->ik")))).toMatch(/sums over the images/);
    const left = (o: Ops, x: string) => o.matmul(constant(o, 2, 6), o.transpose(o.reshape(x, [open(4), 6]), [1, 0]));
    expect(traced(graphOf([open(1), 4, 6], left))).toEqual([1, 1, 4]);
    const turned = (o: Ops, x: string) =>
      o.gemm(o.transpose(o.reshape(x, [open(4), 6]), [1, 0]), constant(o, 6, 2), { transA: true });
    expect(traced(graphOf([open(1), 4, 6], turned))).toEqual([0, 1, 4]);
    expect(traced(graphOf([open(1), 6], (o, x) => o.matmul(o.transpose(x, [1, 0]), x)))).toMatch(
      /sums over the images/,
    );
  });

  it("does not call shapes and constants images", () => {
    const body = (o: Ops, x: string): string =>
      o.builder.add("ConstantOfShape", [o.builder.add("Shape", [x], { start: { int: 1 } })]);
    expect(traced(graphOf([open(1), 4], body))).toBe("shared");
    expect(traced(graphOf([open(1), 4], (o, x) => o.cast(o.builder.add("Shape", [x]), "float32")))).toBe("shared");
    const b = new GraphBuilder({ name: "rows", opset: 18 });
    const theta = b.input("theta", { dtype: "float32", shape: [4] });
    const images = b.input("images", { dtype: "float32", shape: [3, open(1), 4] });
    const pairs = b.input("pairs", { dtype: "float32", shape: [open(2), 4] });
    const o = ops(b);
    const [alone, both, paired] = [o.neg(theta), o.mul(images, theta), o.mul(pairs, theta)];
    const rows = traceRows(b.build([alone, both, paired]));
    expect(rows.get(alone)).toEqual({ kind: "shared" });
    expect(rows.get(both)).toEqual({ kind: "images", place: { axis: 1, outer: 1, inner: 1 } });
    expect(rows.get(paired)).toEqual({ kind: "lost", reason: 'input "pairs" [2*N, 4] has no dimension of images' });
  });

  it("says at which node it lost the images, and why, for all that follows", () => {
    const refused: [RegExp, (o: Ops, x: string) => string][] = [
      [/^Slice node "Slice": it picks from the images/, (o, x) => o.flip(x, [0])],
      [/^Slice node "Slice": it picks from the images/, (o, x) => o.slice(x, [0], [1], [0])],
      [/^Gather node "Gather": it picks from the images/, (o, x) => o.gather(x, o.ints([0, 0]), 0)],
      [/^GatherElements node .* it picks from the images/, (o, x) => o.gatherElements(x, o.cast(x, "int64"), 0)],
      [/^ReduceSum node "ReduceSum": it reduces over the images/, (o, x) => o.sub(x, o.reduceSum(x, [0]))],
      [/^ReduceSum node "ReduceSum": it reduces over the images/, (o, x) => o.reduceSum(x)],
      [/^Softmax node "Softmax": it works over the images/, (o, x) => o.softmax(x, 0)],
      [
        /^LayerNormalization node .* it works over the images/,
        (o, x) => o.builder.add("LayerNormalization", [x, constant(o, 6)], { axis: { int: 0 } }),
      ],
      [/^Pad node "Pad": it pads the batch/, (o, x) => o.pad(x, [1, 0, 0, -1, 0, 0])],
      [
        /^BatchNormalization node .* it takes its statistics over the images/,
        (o, x) =>
          o.builder.add("BatchNormalization", [x, ...Array.from({ length: 4 }, () => constant(o, 4))], {
            training_mode: { int: 1 },
          }),
      ],
      [
        /^Add node "Add": it combines rows of different images/,
        (o, x) => o.add(o.reshape(x, [open(4), 6]), o.reshape(o.transpose(x, [1, 0, 2]), [open(4), 6])),
      ],
      [
        /^Concat node "Concat": it mixes layouts/,
        (o, x) => o.concat([o.reshape(x, [open(4), 6]), o.reshape(o.transpose(x, [1, 0, 2]), [open(4), 6])], 0),
      ],
      [
        /^Reshape node "Reshape": reshaping \[N, 4, 6\] to \[2, 12\*N\] cuts across the images/,
        (o, x) => o.reshape(x, [2, open(12)]),
      ],
      [
        /^CumSum node .* it sums over the images/,
        (o, x) =>
          o.builder.add("CumSum", [x, o.builder.constant({ dtype: "int64", dims: [], data: BigInt64Array.of(0n) })]),
      ],
      [/^Conv node .* it works across the axis/, (o, x) => o.conv(o.reshape(x, [2, 3, open(4)]), constant(o, 1, 3, 1))],
    ];
    for (const [reason, body] of refused) {
      let graph: Graph;
      try {
        graph = graphOf([open(1), 4, 6], (o, x) => o.relu(o.mul(body(o, x), 2)));
      } catch (error) {
        // Shapes alone rule it out.
        expect((error as Error).message).toMatch(/only the batch may be open|cannot reshape/);
        continue;
      }
      expect(traced(graph)).toMatch(reason);
    }
  });

  it("does not follow images through an operator that it has no rule for", () => {
    const graph = graphOf([open(1), 4], (o, x) => o.add(x, 1));
    const strange = { ...graph, nodes: graph.nodes.map((node) => ({ ...node, op: "Strange", domain: "custom" })) };
    expect(traced(strange)).toMatch(/^Strange node "Add": images cannot be followed through this operator/);
  });

  it("asks for an open batch", () => {
    expect(() =>
      traceRows(
        setBatch(
          graphOf([open(1), 4], (o, x) => o.neg(x)),
          2,
        ),
      ),
    ).toThrow(/its batch|is fixed; open it first/);
  });
});

/** A step of a random walk over shapes; the second number chooses among what is possible. */
const steps = fc.array(fc.tuple(fc.constantFrom("transpose", "merge", "split", "roll", "scale"), fc.nat()), {
  minLength: 1,
  maxLength: 7,
});

function walk(o: Ops, start: string, path: readonly (readonly [string, number])[]): string {
  return path.reduce((x, [kind, choice]) => {
    const shape = o.shape(x);
    const axis = choice % shape.length;
    const times = (at: number): number => {
      const dim = shape[at] ?? 1;
      return typeof dim === "number" ? dim : dim.times;
    };
    const isOpen = (at: number): boolean => typeof shape[at] === "object";
    if (kind === "transpose" && shape.length > 1) {
      const order = shape.map((_, at) => (at + choice) % shape.length);
      if (choice % 3 === 0) order.reverse();
      return o.transpose(x, order);
    }
    if (kind === "merge" && axis + 1 < shape.length) {
      const size = times(axis) * times(axis + 1);
      const joined = isOpen(axis) || isOpen(axis + 1) ? open(size) : size;
      return o.reshape(x, [...shape.slice(0, axis), joined, ...shape.slice(axis + 2)]);
    }
    if (kind === "split" && times(axis) % 2 === 0 && shape.length < 5) {
      const half = times(axis) / 2;
      const parts = isOpen(axis) ? (choice % 2 === 0 ? [2, open(half)] : [open(half), 2]) : [2, half];
      return o.reshape(x, [...shape.slice(0, axis), ...parts, ...shape.slice(axis + 1)]);
    }
    if (kind === "roll" && !isOpen(axis) && times(axis) > 1) {
      return o.concat([o.slice(x, [1], [times(axis)], [axis]), o.slice(x, [0], [1], [axis])], axis);
    }
    return o.mul(x, 1.25);
  }, start);
}

describe("proveRows", () => {
  it("agrees with the trace wherever a walk over shapes leads, and with no other place", async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (path) => {
        const graph = graphOf([open(1), 4, 6], (o, x) => o.mul(walk(o, x, path), 0.5));
        const value = itemAt(graph.outputs, 0);
        const rows = traceRows(graph).get(value);
        // A reshape may cut across the images and another one undo it, which the trace does not
        // see.
        if (rows?.kind !== "images") return;
        found++;
        const shape = graph.types.get(value)?.shape ?? [];
        const axis = shape.findIndex((dim) => typeof dim === "object");
        const times = (shape[axis] as { times: number }).times;
        const places = Array.from({ length: times }, (_, i) => i + 1)
          .filter((outer) => times % outer === 0)
          .map((outer): BatchPlace => ({ axis, outer, inner: times / outer }));
        for (const place of places) {
          const problems = await proveRows(graph, new Map([[value, place]]), feedsOf(graph, 3), run);
          expect(problems.size).toBe(rows.place.outer === place.outer ? 0 : 1);
        }
        expect(rows.place).toMatchObject({ axis, inner: times / rows.place.outer });
      }),
      { numRuns: 40 },
    );
    expect(found).toBeGreaterThan(10);
  });

  it("finds a network that mixes images whatever the trace would say", async () => {
    const graph = graphOf([open(1), 6], (o, x) => o.add(x, o.reduceMean(x, [0])));
    const [output = ""] = graph.outputs;
    const problems = await proveRows(
      graph,
      new Map([[output, { axis: 0, outer: 1, inner: 1 }]]),
      feedsOf(graph, 3),
      run,
    );
    expect(problems.get(output)).toEqual({
      still: false,
      reason: "when run, its row 0 of 3 does not depend on image 0 of 3 alone",
    });
  });

  it("finds one image in another's row, whatever the two and the batch", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 9 }), fc.nat(), fc.nat(), async (batch, own, other) => {
        const mixing = new Float32Array(batch * batch);
        for (let image = 0; image < batch; image++) mixing[image * (batch + 1)] = 1;
        const [row, column] = [own % batch, other % batch];
        if (row !== column) mixing[row * batch + column] = 0.5;
        const graph = graphOf([batch, 6], (o, x) => o.matmul(o.floats(mixing, [batch, batch]), x));
        const [value = ""] = graph.outputs;
        const places = new Map([[value, { axis: 0, outer: 1, inner: 1 }]]);
        const problem = (await proveRows(graph, places, feedsOf(graph, batch), run)).get(value);
        expect(problem?.reason).toBe(
          row === column
            ? undefined
            : `when run, its row ${row} of ${batch} does not depend on image ${row} of ${batch} alone`,
        );
      }),
      { numRuns: 60 },
    );
  });

  it("finds rows that do not change with their image", async () => {
    const graph = graphOf([open(1), 6], (o, x) => o.mul(x, 0));
    const [output = ""] = graph.outputs;
    // 0 times a negative number is another zero; the absolute value is not.
    const still = { ...graph, nodes: graph.nodes };
    const b = new GraphBuilder(still);
    const all = b.build([ops(b).abs(output)]);
    const [value = ""] = all.outputs;
    const problems = await proveRows(all, new Map([[value, { axis: 0, outer: 1, inner: 1 }]]), feedsOf(all, 3), run);
    expect(problems.get(value)).toEqual({ still: true, reason: "when run, it does not change with image 0 of 3" });
  });

  it("needs a batch to change images of", async () => {
    const graph = graphOf([open(1), 6], (o, x) => o.neg(x));
    await expect(proveRows(graph, new Map(), feedsOf(graph, 1), run)).rejects.toThrow(/at least 2 images/);
  });

  it("numbers images as the place says", () => {
    const images = (place: BatchPlace, count: number): number[] =>
      Array.from({ length: count }, (_, index) => imageOf(place, index, 3));
    expect(images({ axis: 0, outer: 1, inner: 2 }, 6)).toEqual([0, 0, 1, 1, 2, 2]);
    expect(images({ axis: 0, outer: 2, inner: 1 }, 6)).toEqual([0, 1, 2, 0, 1, 2]);
    expect(sizeOf([2, 3])).toBe(6);
  });
});
