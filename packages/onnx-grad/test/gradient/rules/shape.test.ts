import fc from "fast-check";
import { describe, it } from "vitest";
import { itemAt } from "../../../src/graph/item-at.ts";
import { int64, type Ops } from "../../../src/index.ts";
import { random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
import { broadcastPairs, expectGradients, forAll, linear, shapes } from "./trial.ts";

const int = (min: number, max: number) => fc.integer({ min, max });

/** Checks a linear function of one random tensor. */
const check = (dims: readonly number[], build: (o: Ops) => string | string[]) =>
  expectGradients({ inputs: { x: random(dims, 5) }, step: linear }, build);

describe("operators that move elements", () => {
  it("Reshape, Flatten, Squeeze, Unsqueeze", async () => {
    await forAll(
      shapes(2, 4),
      async (dims) => {
        await check(dims, (o) => o.flat("x"));
        for (let axis = -dims.length; axis <= dims.length; axis++) {
          await check(dims, (o) => o.builder.add("Flatten", ["x"], { axis: { int: axis } }));
        }
        await check(dims, (o) => o.builder.add("Squeeze", [o.unsqueeze("x", [1])]));
        await check(dims, (o) => o.builder.add("Reshape", ["x", o.ints([0, -1])]));
        await check(dims, (o) =>
          o.builder.add("Reshape", ["x", o.ints([-1, ...dims.slice(1)])], { allowzero: { int: 1 } }),
        );
        await check(dims, (o) => o.squeeze(o.unsqueeze("x", [0, -1]), [0]));
      },
      5,
    );
  });

  it("Transpose", async () => {
    const orders = shapes(1, 4).chain((dims) =>
      fc.tuple(fc.constant(dims), fc.shuffledSubarray([...dims.keys()], { minLength: dims.length })),
    );
    await forAll(orders, ([dims, order]) =>
      check(dims, (o) => o.builder.add("Transpose", ["x"], { perm: { ints: order } })),
    );
    await check([2, 3, 4], (o) => o.builder.add("Transpose", ["x"]));
  });

  it("Expand", async () => {
    await forAll(broadcastPairs, ([from, to]) => check(from, (o) => o.builder.add("Expand", ["x", o.ints(to)])));
  });

  it("Tile", async () => {
    const repeats = shapes(1, 4).chain((dims) =>
      fc.tuple(fc.constant(dims), fc.array(int(1, 3), { minLength: dims.length, maxLength: dims.length })),
    );
    await forAll(repeats, ([dims, counts]) => check(dims, (o) => o.tile("x", counts)));
  });

  it("Concat and Split, also where pieces go unused", async () => {
    await forAll(
      fc.tuple(int(2, 4), int(1, 3), int(1, 3), int(0, 2)),
      async ([width, first, second, along]) => {
        const dims = [width, width, width];
        dims[along] = first + second;
        await check(dims, (o) => o.split("x", [first, second], along));
        await check([...dims.slice(0, along), first + second + 1, ...dims.slice(along + 1)], (o) =>
          o.split("x", [first, 1, second], along),
        );
        await check(dims, (o) => itemAt(o.split("x", [first, second], along), 1));
        const parts = { axis: { int: along }, num_outputs: { int: 2 } };
        await check(dims, (o) => o.builder.addAll("Split", ["x"], parts, { outputs: 2 }));
        await check(dims, (o) => o.concat(["x", o.mul("x", 2), "x"], along));
        await check(dims, (o) => o.concat(["x", o.full(1, dims, "x")], along - 3));
      },
      6,
    );
  });

  it("Slice, in either direction with any step", async () => {
    const axis = fc.record({
      size: int(2, 9),
      start: int(-10, 10),
      end: int(-10, 10),
      step: fc.constantFrom(1, 1, 2, 3, -1, -2, -3),
    });
    const seen = axis.filter(
      ({ size, start, end, step }) => [...Array(size).keys()].slice(...range(size, start, end, step)).length > 0,
    );
    await forAll(
      fc.array(seen, { minLength: 1, maxLength: 3 }),
      async (axes) => {
        const dims = [...axes.map(({ size }) => size), 2];
        const at = axes.map((_, i) => (i % 2 === 0 ? i : i - dims.length));
        await check(dims, (o) =>
          o.slice(
            "x",
            axes.map((a) => a.start),
            axes.map((a) => a.end),
            at,
            axes.map((a) => a.step),
          ),
        );
      },
      40,
    );
  });

  it("Slice of a long axis", () => check([2, 700], (o) => o.slice("x", [1], [700], [1], [3])));

  it("Pad, also with negative counts and chosen axes", async () => {
    const counts = fc.array(fc.tuple(int(-1, 2), int(-1, 2)), { minLength: 2, maxLength: 2 });
    await forAll(counts, async (pads) => {
      await check([4, 5], (o) => o.pad("x", [...pads.map(([before]) => before), ...pads.map(([, after]) => after)]));
      await check([4, 5, 2], (o) => o.builder.add("Pad", ["x", o.ints([1, 2]), "", o.ints([-2])]));
    });
  });

  it("DepthToSpace and SpaceToDepth", async () => {
    const sizes = fc.tuple(int(1, 2), int(1, 3), int(1, 3), int(1, 3), int(1, 3));
    await forAll(
      sizes,
      async ([batch, channels, height, width, block]) => {
        const attributes = { blocksize: { int: block } };
        const deep = [batch, channels * block ** 2, height, width];
        for (const mode of ["DCR", "CRD"]) {
          await check(deep, (o) => o.builder.add("DepthToSpace", ["x"], { ...attributes, mode: { string: mode } }));
        }
        const wide = [batch, channels, height * block, width * block];
        await check(wide, (o) => o.builder.add("SpaceToDepth", ["x"], attributes));
      },
      10,
    );
  });

  it("Trilu", async () => {
    await forAll(
      fc.tuple(shapes(2, 3), int(-3, 3), fc.boolean()),
      ([dims, k, upper]) =>
        check(dims, (o) => {
          const diagonal = o.builder.constant(int64(k));
          return o.add(o.builder.add("Trilu", ["x", diagonal], { upper: { int: Number(upper) } }), o.mul("x", 0.1));
        }),
      15,
    );
    await check([3, 4], (o) => o.builder.add("Trilu", ["x"]));
  });

  it("works on an open batch", async () => {
    const inputs = { x: random([2, 4, 6], 5), token: random([1, 1, 6], 6) };
    await expectGradients({ inputs, open: ["x"], step: linear }, (o) => {
      const batch = o.gather(o.builder.add("Shape", ["x"]), o.ints([0]));
      const tokens = o.builder.add("Expand", ["token", o.concat([batch, o.ints([1, 6])], 0)]);
      const joined = o.concat([tokens, "x"], 1);
      const image = o.reshape(joined, [...o.shape("x").slice(0, 1), 5, 2, 3]);
      return [
        o.transpose(image, [0, 3, 1, 2]),
        o.tile(joined, [1, 2, 1]),
        o.slice(joined, [4, 0], [-10, 6], [1, 2], [-2, 1]),
        o.pad(joined, [0, 1, 2, 0, -1, 0]),
        o.unsqueeze(joined, [1]),
      ];
    });
  });
});

/** Arguments that make JavaScript's slice as empty as ONNX's. */
function range(size: number, start: number, end: number, step: number): [number, number] {
  const at = (value: number, low: number, high: number) =>
    Math.min(Math.max(value < 0 ? value + size : value, low), high);
  if (step > 0) return [at(start, 0, size), at(end, 0, size)];
  return [at(end, -1, size - 1) + 1, at(start, 0, size - 1) + 1];
}

testOperatorsOf(import.meta.filename);
