import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Attributes, Ops, Tensor } from "../../../src/index.ts";
import { random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
import { expectGradients, forAll, linear } from "./trial.ts";

const int = (min: number, max: number) => fc.integer({ min, max });

/**
 * Numbers that are all at least 0.1 apart, in no order, so that no step changes which is the
 * largest.
 */
function distinct(dims: readonly number[]): Tensor {
  const size = dims.reduce((product, dim) => product * dim, 1);
  const data = Float32Array.from({ length: size }, (_, i) => (((i * 7919) % size) - size / 2) * 0.1);
  return { dtype: "float32", dims, data };
}

interface Axis {
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  readonly after: number;
}

/** Windows of one to three axes that fit their padded input and are never all padding. */
const windows = (dilated: boolean): fc.Arbitrary<Axis[]> =>
  fc
    .array(
      fc.record({
        size: int(3, 7),
        kernel: int(1, 3),
        stride: int(1, 3),
        dilation: dilated ? int(1, 2) : fc.constant(1),
        before: int(0, 1),
        after: int(0, 1),
      }),
      { minLength: 1, maxLength: 3 },
    )
    .filter((axes) =>
      axes.every(
        ({ size, kernel, dilation, before, after }) =>
          kernel > Math.max(before, after) && size > (kernel - 1) * dilation,
      ),
    );

/**
 * Whether ceil_mode adds no window that would start beyond the image. Such ones are dropped by
 * onnxruntime's kernel, but not by its shape inference, so that nothing can follow.
 */
const keepsAll = (axes: readonly Axis[]): boolean =>
  axes.every(({ size, kernel, stride, dilation, before, after }) => {
    const steps = Math.ceil((size + before + after - (kernel - 1) * dilation - 1) / stride);
    return steps * stride < size + before;
  });

/** Whether auto_pad SAME crops nothing, which onnxruntime's MaxPool refuses. */
const overlap = (axes: readonly Axis[]): boolean => axes.every(({ kernel, stride }) => kernel >= stride);

const attributesOf = (axes: readonly Axis[]): Attributes => ({
  kernel_shape: { ints: axes.map((a) => a.kernel) },
  strides: { ints: axes.map((a) => a.stride) },
  dilations: { ints: axes.map((a) => a.dilation) },
});
const padsOf = (axes: readonly Axis[]): Attributes => ({
  pads: { ints: [...axes.map((a) => a.before), ...axes.map((a) => a.after)] },
});
const dimsOf = (axes: readonly Axis[]): number[] => [2, 2, ...axes.map((a) => a.size)];

describe("AveragePool", () => {
  it("with any strides, pads, dilations, ceil_mode and count_include_pad", async () => {
    await forAll(
      fc.tuple(windows(true), fc.boolean(), fc.boolean()).filter(([axes, ceil]) => !ceil || keepsAll(axes)),
      async ([axes, ceil, include]) => {
        const attributes: Attributes = {
          ...attributesOf(axes),
          ...padsOf(axes),
          ceil_mode: { int: Number(ceil) },
          count_include_pad: { int: Number(include) },
        };
        const trial = { inputs: { x: random(dimsOf(axes), 1) }, step: linear, opset: 19 };
        await expectGradients(trial, (o) => o.builder.add("AveragePool", ["x"], attributes));
      },
      60,
    );
  });

  it.each(["SAME_UPPER", "SAME_LOWER", "VALID"])("with auto_pad %s", async (mode) => {
    await forAll(fc.tuple(windows(false), fc.boolean()), async ([axes, include]) => {
      const attributes: Attributes = {
        ...attributesOf(axes),
        auto_pad: { string: mode },
        count_include_pad: { int: Number(include) },
      };
      const trial = { inputs: { x: random(dimsOf(axes), 1) }, step: linear, opset: 19 };
      await expectGradients(trial, (o) => o.builder.add("AveragePool", ["x"], attributes));
    });
  });
});

describe("MaxPool", () => {
  it("with any strides, pads, dilations and ceil_mode", async () => {
    await forAll(
      fc.tuple(windows(true), fc.boolean()).filter(([axes, ceil]) => !ceil || keepsAll(axes)),
      async ([axes, ceil]) => {
        const attributes = { ...attributesOf(axes), ...padsOf(axes), ceil_mode: { int: Number(ceil) } };
        const trial = { inputs: { x: distinct(dimsOf(axes)) }, step: 0.005 };
        await expectGradients(trial, (o) => o.builder.add("MaxPool", ["x"], attributes));
      },
      40,
    );
  });

  it.each(["SAME_UPPER", "SAME_LOWER", "VALID"])("with auto_pad %s", async (mode) => {
    await forAll(windows(false).filter(overlap), async (axes) => {
      const attributes: Attributes = { ...attributesOf(axes), auto_pad: { string: mode } };
      const trial = { inputs: { x: distinct(dimsOf(axes)) }, step: 0.005 };
      await expectGradients(trial, (o) => o.builder.add("MaxPool", ["x"], attributes));
    });
  });

  it("refuses places counted by columns", async () => {
    const attributes: Attributes = { kernel_shape: { ints: [2, 2] }, storage_order: { int: 1 } };
    const attempt = expectGradients({ inputs: { x: distinct([1, 1, 3, 3]) } }, (o) =>
      o.builder.add("MaxPool", ["x"], attributes),
    );
    await expect(attempt).rejects.toThrow("storage_order 1");
  });
});

describe("pooling everything", () => {
  it.each(["GlobalAveragePool", "GlobalMaxPool"])("%s", async (op) => {
    await forAll(
      fc.array(int(1, 4), { minLength: 1, maxLength: 3 }),
      async (sizes) => {
        const trial = { inputs: { x: distinct([2, 3, ...sizes]) }, step: 0.005 };
        await expectGradients(trial, (o) => o.builder.add(op, ["x"]));
      },
      8,
    );
  });
});

it("pools an open batch", async () => {
  const attributes: Attributes = { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } };
  const build = (o: Ops) => [
    ...["AveragePool", "MaxPool"].map((op) => o.builder.add(op, ["x"], attributes)),
    ...["GlobalAveragePool", "GlobalMaxPool"].map((op) => o.builder.add(op, ["x"])),
  ];
  await expectGradients({ inputs: { x: distinct([3, 2, 4, 5]) }, open: ["x"], step: 0.005 }, build);
});

testOperatorsOf(import.meta.filename);
