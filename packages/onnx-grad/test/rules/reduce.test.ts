import fc from "fast-check";
import { describe, it } from "vitest";
import type { Ops, Tensor } from "../../src/index.ts";
import { awayFromZero, random } from "../run.ts";
import { expectGradients, forAll, shapes } from "./trial.ts";

const reductions = [
  "ReduceSum",
  "ReduceMean",
  "ReduceMax",
  "ReduceMin",
  "ReduceL1",
  "ReduceL2",
  "ReduceSumSquare",
  "ReduceLogSumExp",
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
      const x = picks ? distinct(dims) : awayFromZero(dims, 3, 0.3);
      const inputs = (o: Ops) =>
        axes.length === 0 ? ["x"] : ["x", o.ints(axes.map((axis) => (backward ? axis - dims.length : axis)))];
      await expectGradients({ inputs: { x }, step: picks ? 0.005 : 0.02 }, (o) =>
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

describe("normalisations", () => {
  it("BatchNormalization with stored statistics", async () => {
    await forAll(shapes(2, 4), async (dims) => {
      const channels = [dims[1] as number];
      const variance: Tensor = {
        dtype: "float32",
        dims: channels,
        data: new Float32Array(channels[0] as number).fill(0.7),
      };
      const inputs = { x: random(dims, 1), scale: random(channels, 2), shift: random(channels, 3) };
      const constants = { mean: random(channels, 4), variance };
      await expectGradients({ inputs, constants }, (o) =>
        o.builder.add("BatchNormalization", ["x", "scale", "shift", "mean", "variance"], { epsilon: { float: 1e-3 } }),
      );
    });
  });

  const layers = fc.tuple(shapes(2, 3), fc.integer({ min: 4, max: 8 }), fc.boolean(), fc.boolean());

  it("LayerNormalization over one or more axes", async () => {
    await forAll(layers, async ([dims, width, shifted, two]) => {
      const shape = [...dims, width];
      const axis = two ? -2 : -1;
      const inputs = {
        x: random(shape, 1, 2),
        scale: random(shape.slice(axis), 2),
        ...(shifted && { shift: random(shape.slice(axis), 3) }),
      };
      const attributes = { axis: { int: axis }, epsilon: { float: 0.1 } };
      await expectGradients({ inputs, step: 0.01 }, (o) =>
        o.builder.add("LayerNormalization", Object.keys(inputs), attributes),
      );
    });
  });

  it("layer normalisation spelt out", async () => {
    await forAll(layers, async ([dims, width]) => {
      const inputs = { x: random([...dims, width], 1, 2), scale: random([width], 2), shift: random([width], 3) };
      await expectGradients({ inputs, step: 0.01 }, (o) => {
        const centred = o.sub("x", o.reduceMean("x", [dims.length]));
        const deviation = o.sqrt(o.add(o.reduceMean(o.pow(centred, 2), [dims.length]), 0.1));
        return o.add(o.mul(o.div(centred, deviation), "scale"), "shift");
      });
    });
  });
});
