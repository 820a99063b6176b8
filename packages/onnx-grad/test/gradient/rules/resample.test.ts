import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Attributes, Ops } from "../../../src/index.ts";
import { random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
import { expectGradients, forAll, linear } from "./trial.ts";

const int = (min: number, max: number) => fc.integer({ min, max });
const text = (string: string) => ({ string });

const transformations = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"];

/** How one axis is resized: to a size, or by a factor. */
const axis = fc.record({ size: int(2, 6), to: int(1, 9), by: fc.constantFrom(0.5, 0.7, 1, 1.5, 2, 2.6, 3) });

describe("Resize", () => {
  const byScales = (axes: readonly { by: number }[]) => (o: Ops) => [
    "x",
    "",
    o.floats([1, 1, ...axes.map((a) => a.by)]),
  ];
  const bySizes = (axes: readonly { to: number }[]) => (o: Ops) => [
    "x",
    "",
    "",
    o.ints([2, 2, ...axes.map((a) => a.to)]),
  ];

  const check = async (
    axes: readonly { size: number }[],
    inputs: (o: Ops) => string[],
    attributes: Attributes,
  ): Promise<void> => {
    const trial = { inputs: { x: random([2, 2, ...axes.map((a) => a.size)], 1) }, step: linear, opset: 19 };
    await expectGradients(trial, (o) => o.builder.add("Resize", inputs(o), attributes));
  };
  const fits = (axes: readonly { size: number; by: number }[]) => axes.every(({ size, by }) => size * by >= 1);

  it.each(transformations)("nearest, %s", async (mode) => {
    const rounding = fc.constantFrom("round_prefer_floor", "round_prefer_ceil", "floor", "ceil");
    const cases = fc.tuple(fc.array(axis, { minLength: 1, maxLength: 2 }).filter(fits), rounding, fc.boolean());
    await forAll(
      cases,
      async ([axes, round, sized]) => {
        const attributes = { coordinate_transformation_mode: text(mode), nearest_mode: text(round) };
        await check(axes, sized ? bySizes(axes) : byScales(axes), attributes);
      },
      30,
    );
  });

  it.each(transformations)("linear, %s", async (mode) => {
    const cases = fc.tuple(fc.array(axis, { minLength: 1, maxLength: 3 }).filter(fits), fc.boolean());
    await forAll(cases, async ([axes, sized]) => {
      const attributes = { coordinate_transformation_mode: text(mode), mode: text("linear") };
      await check(axes, sized ? bySizes(axes) : byScales(axes), attributes);
    });
  });

  it.each(transformations)("cubic, %s", async (mode) => {
    const cases = fc.tuple(fc.array(axis, { minLength: 2, maxLength: 2 }).filter(fits), fc.boolean(), fc.boolean());
    await forAll(
      cases,
      async ([axes, sized, exclude]) => {
        const attributes: Attributes = {
          coordinate_transformation_mode: text(mode),
          mode: text("cubic"),
          exclude_outside: { int: Number(exclude) },
          cubic_coeff_a: { float: -0.5 },
        };
        await check(axes, sized ? bySizes(axes) : byScales(axes), attributes);
      },
      15,
    );
  });

  it("nearest along any axis, also the first", async () => {
    const trial = { inputs: { x: random([2, 3, 4], 1) }, step: linear };
    await expectGradients(trial, (o) => o.builder.add("Resize", ["x", "", o.floats([2, 1.5, 0.5])]));
  });

  it.each(["stretch", "not_larger", "not_smaller"])("of chosen axes, aspect ratio %s", async (policy) => {
    const attributes: Attributes = {
      axes: { ints: [3, 2] },
      mode: text("linear"),
      keep_aspect_ratio_policy: text(policy),
    };
    await check([{ size: 4 }, { size: 6 }], (o) => ["x", "", "", o.ints([9, 7])], attributes);
  });

  it("of an open batch", async () => {
    const trial = { inputs: { x: random([3, 2, 4, 5], 1) }, open: ["x"], step: linear };
    await expectGradients(trial, (o) =>
      ["nearest", "linear"].map((mode) =>
        o.builder.add("Resize", ["x", "", o.floats([1, 1, 2, 1.6])], { mode: text(mode) }),
      ),
    );
  });

  it("refuses antialias", async () => {
    const attributes: Attributes = { antialias: { int: 1 }, mode: text("linear") };
    const attempt = check([{ size: 4 }, { size: 4 }], byScales([{ by: 0.5 }, { by: 0.5 }]), attributes);
    await expect(attempt).rejects.toThrow("antialias");
  });
});

describe("Pad", () => {
  const ends = fc.tuple(int(-1, 3), int(-1, 3));

  it.each(["constant", "edge", "reflect", "wrap"])("%s, also with negative counts", async (mode) => {
    const counts = fc.array(ends, { minLength: 2, maxLength: 2 });
    await forAll(counts, async (pads) => {
      const all = [0, ...pads.map(([before]) => before), 0, ...pads.map(([, after]) => after)];
      const trial = { inputs: { x: random([2, 5, 6], 1) }, step: linear, opset: 19 };
      await expectGradients(trial, (o) => o.builder.add("Pad", ["x", o.ints(all)], { mode: text(mode) }));
    });
  });

  it("of chosen axes and of an open batch", async () => {
    const trial = { inputs: { x: random([2, 4, 5], 1) }, open: ["x"], step: linear };
    await expectGradients(trial, (o) => [
      o.builder.add("Pad", ["x", o.ints([1, 2]), "", o.ints([-2])], { mode: text("reflect") }),
      o.builder.add("Pad", ["x", o.ints([0, 1, 0, 0, 2, 1])], { mode: text("edge") }),
      o.builder.add("Pad", ["x", o.ints([0, 1, 0, 0, 2, 1]), o.scalar(0.5)]),
    ]);
  });
});

testOperatorsOf(import.meta.filename);
