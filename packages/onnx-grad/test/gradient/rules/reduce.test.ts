import fc from "fast-check";
import { describe, it } from "vitest";
import type { Ops, Tensor } from "../../../src/index.ts";
import { awayFromZero, random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
import { expectGradients, forAll, linear, shapes, within } from "./trial.ts";

const reductions = [
  "ReduceSum",
  "ReduceMean",
  "ReduceMax",
  "ReduceMin",
  "ReduceL1",
  "ReduceL2",
  "ReduceSumSquare",
  "ReduceLogSumExp",
  "ReduceProd",
  "ReduceLogSum",
];

/** A shape, some of its axes (perhaps none: all) and whether they are kept. */
const folds = shapes(1, 4).chain((dims) =>
  fc.tuple(fc.constant(dims), fc.subarray([...dims.keys()]), fc.boolean(), fc.boolean()),
);

/** Numbers that are all at least 0.1 apart. */
const distinct = (dims: readonly number[]): Tensor => {
  const size = dims.reduce((product, dim) => product * dim, 1);
  return {
    dtype: "float32",
    dims,
    data: Float32Array.from({ length: size }, (_, i) => (((i * 7919) % size) - size / 2 + 0.3) * 0.1),
  };
};

describe("reductions", () => {
  it.each(reductions)("%s", async (op) => {
    await forAll(folds, async ([dims, axes, keep, backward]) => {
      const picks = op === "ReduceMax" || op === "ReduceMin";
      const positive = op === "ReduceLogSum" || op === "ReduceProd";
      const x = positive ? within(dims, 3, 0.7, 1.4) : picks ? distinct(dims) : awayFromZero(dims, 3, 0.3);
      const inputs = (o: Ops) =>
        axes.length === 0 ? ["x"] : ["x", o.ints(axes.map((axis) => (backward ? axis - dims.length : axis)))];
      await expectGradients({ inputs: { x }, step: picks || op === "ReduceProd" ? 0.005 : 0.02 }, (o) =>
        o.builder.add(op, inputs(o), { keepdims: { int: Number(keep) } }),
      );
    });
  });

  it("folds nothing where empty axes say so", async () => {
    const attributes = { noop_with_empty_axes: { int: 1 } };
    await expectGradients({ inputs: { x: random([3, 2], 1) } }, (o) => o.builder.add("ReduceSum", ["x"], attributes));
  });

  it("gives ReduceL2 a finite gradient at the origin", async () => {
    const x: Tensor = { dtype: "float32", dims: [2], data: new Float32Array(2) };
    await expectGradients({ inputs: { x }, wrt: ["x"] }, (o) => o.add(o.mul(o.reduceL2(o.mul("x", 0)), 0), "x"));
  });
});

describe("softmax", () => {
  it.each(["softmax", "logSoftmax"] as const)("%s along any axis", async (kind) => {
    const cases = shapes(1, 3).chain((dims) =>
      fc.tuple(fc.constant(dims), fc.integer({ min: -dims.length, max: dims.length - 1 })),
    );
    await forAll(cases, ([dims, along]) =>
      expectGradients({ inputs: { x: random(dims, 3, 2) } }, (o) => o[kind]("x", along)),
    );
  });
});

describe("ReduceProd and running sums", () => {
  it("keeps the product of the others where elements are zero", async () => {
    const values = fc.array(fc.constantFrom(0, 0, 0.5, -1.5, 2), { minLength: 6, maxLength: 6 });
    await forAll(values, async (picked) => {
      const x: Tensor = { dtype: "float32", dims: [2, 3], data: Float32Array.from(picked) };
      await expectGradients({ inputs: { x }, step: 0.25 }, (o) => o.reduceProd("x", [1]));
    });
  });

  it("CumSum along any axis, from either end, with or without the element itself", async () => {
    const cases = shapes(1, 3).chain((dims) =>
      fc.tuple(fc.constant(dims), fc.integer({ min: -dims.length, max: dims.length - 1 }), fc.boolean(), fc.boolean()),
    );
    await forAll(cases, ([dims, along, exclusive, reverse]) =>
      expectGradients({ inputs: { x: random(dims, 2) }, step: linear }, (o) =>
        o.cumSum("x", along, { exclusive, reverse }),
      ),
    );
  });
});

it("folds and normalises an open batch", async () => {
  const x = distinct([3, 4]);
  for (const op of reductions.filter((name) => name !== "ReduceProd" && name !== "ReduceLogSum")) {
    await expectGradients({ inputs: { x }, open: ["x"], step: 0.005 }, (o) => [
      o.builder.add(op, ["x", o.ints([0])]),
      o.builder.add(op, ["x"], { keepdims: { int: 0 } }),
      o.builder.add(op, ["x", o.ints([1])], { keepdims: { int: 0 } }),
    ]);
  }
  await expectGradients({ inputs: { x: within([3, 4], 2, 0.5, 1.5) }, open: ["x"] }, (o) => [
    ...["ReduceProd", "ReduceLogSum"].map((op) => o.builder.add(op, ["x", o.ints([0])])),
    ...[0, 1].flatMap((axis) => [o.softmax("x", axis), o.logSoftmax("x", axis), o.cumSum("x", axis)]),
  ]);
});

testOperatorsOf(import.meta.filename);
