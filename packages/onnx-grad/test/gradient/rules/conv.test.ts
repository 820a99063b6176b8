import fc from "fast-check";
import { describe, it } from "vitest";
import type { Attributes, Ops } from "../../../src/index.ts";
import { random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
import { expectGradients, forAll, linear } from "./trial.ts";

interface Case {
  readonly batch: number;
  readonly group: number;
  readonly inner: number;
  readonly outer: number;
  readonly axes: readonly {
    size: number;
    kernel: number;
    stride: number;
    dilation: number;
    before: number;
    after: number;
  }[];
  readonly bias: boolean;
}

const int = (min: number, max: number) => fc.integer({ min, max });

/** Geometries whose window fits the padded input at least once. */
const cases = (dimensions: number, channels: fc.Arbitrary<[number, number, number]>): fc.Arbitrary<Case> =>
  fc
    .record({
      batch: int(1, 3),
      channels,
      axes: fc.array(
        fc.record({
          size: int(3, 9),
          kernel: int(1, 3),
          stride: int(1, 3),
          dilation: int(1, 2),
          before: int(0, 2),
          after: int(0, 2),
        }),
        { minLength: dimensions, maxLength: dimensions },
      ),
      bias: fc.boolean(),
    })
    .map(({ channels: [group, inner, outer], ...rest }) => ({ ...rest, group, inner, outer }))
    .filter(({ axes }) => axes.every((a) => a.size + a.before + a.after > (a.kernel - 1) * a.dilation));

const attributesOf = ({ group, axes }: Case): Attributes => ({
  group: { int: group },
  strides: { ints: axes.map((a) => a.stride) },
  dilations: { ints: axes.map((a) => a.dilation) },
  pads: { ints: [...axes.map((a) => a.before), ...axes.map((a) => a.after)] },
});

async function check(op: "Conv" | "ConvTranspose", value: Case): Promise<void> {
  const { batch, group, inner, outer, axes, bias } = value;
  const kernel = axes.map((a) => a.kernel);
  const [first, second] = op === "Conv" ? [group * outer, inner] : [group * inner, outer];
  const inputs = {
    x: random([batch, group * inner, ...axes.map((a) => a.size)], 1),
    w: random([first, second, ...kernel], 2),
    ...(bias && { b: random([group * outer], 3) }),
  };
  const names = Object.keys(inputs);
  await expectGradients({ inputs, step: linear }, (o) => o.builder.add(op, names, attributesOf(value)));
}

const anyChannels = fc.tuple(int(1, 3), int(1, 3), int(1, 3));
const depthwise = fc.tuple(int(2, 4), fc.constant(1), fc.constant(1));
const multiplied = fc.tuple(int(2, 3), fc.constant(1), int(2, 3));

describe("Conv", () => {
  it("in two dimensions, any geometry", () => forAll(cases(2, anyChannels), (value) => check("Conv", value), 40));
  it("depthwise", () => forAll(cases(2, depthwise), (value) => check("Conv", value), 25));
  it("depthwise with several outputs a channel", () => forAll(cases(2, multiplied), (value) => check("Conv", value)));
  it("in one dimension", () => forAll(cases(1, anyChannels), (value) => check("Conv", value), 20));
  it("with far fewer outputs than inputs, as adapters have", () =>
    forAll(cases(2, fc.tuple(fc.constant(1), int(4, 10), fc.constant(1))), (value) => check("Conv", value), 25));

  it("pointwise, thin and wide", async () => {
    const shape = fc.tuple(int(1, 3), int(1, 9), int(1, 9), int(1, 3), int(1, 3));
    await forAll(
      shape,
      async ([batch, inner, outer, size, stride]) => {
        const inputs = { x: random([batch, inner, size, size + 1], 1), w: random([outer, inner, 1, 1], 2) };
        await expectGradients({ inputs, step: linear }, (o) => o.conv("x", "w", { strides: [stride, stride] }));
      },
      20,
    );
  });

  it.each(["SAME_UPPER", "SAME_LOWER", "VALID"])("with auto_pad %s", async (mode) => {
    await forAll(fc.tuple(int(4, 8), int(1, 3), int(1, 3)), async ([size, kernel, stride]) => {
      const inputs = { x: random([2, 2, size, size + 1], 1), w: random([3, 2, kernel, kernel], 2) };
      const attributes: Attributes = { auto_pad: { string: mode }, strides: { ints: [stride, stride] } };
      await expectGradients({ inputs, step: linear }, (o) => o.builder.add("Conv", ["x", "w"], attributes));
    });
  });

  it("with a frozen kernel", async () => {
    const trial = { inputs: { x: random([2, 4, 6, 6], 1) }, constants: { w: random([6, 2, 3, 3], 2) }, step: linear };
    await expectGradients(trial, (o) => o.conv("x", "w", { group: 2, strides: [2, 2], pads: [1, 1, 1, 1] }));
  });
});

describe("ConvTranspose", () => {
  it("in two dimensions", () => {
    const fits = cases(2, anyChannels).filter(({ axes }) =>
      axes.every((a) => (a.size - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 > a.before + a.after),
    );
    return forAll(fits, (value) => check("ConvTranspose", value), 25);
  });
});

describe("pooling", () => {
  const window = fc
    .tuple(int(4, 8), int(1, 3), int(1, 3), int(0, 1), fc.boolean())
    .filter(([, kernel, , pad]) => pad < kernel);

  it("AveragePool", async () => {
    await forAll(
      window,
      async ([size, kernel, stride, pad, include]) => {
        const attributes: Attributes = {
          kernel_shape: { ints: [kernel, kernel] },
          strides: { ints: [stride, stride] },
          pads: { ints: [pad, pad, pad, pad] },
          count_include_pad: { int: Number(include) },
        };
        const build = (o: Ops) => o.builder.add("AveragePool", ["x"], attributes);
        await expectGradients({ inputs: { x: random([2, 3, size, size + 1], 1) }, step: linear }, build);
      },
      20,
    );
  });

  it("MaxPool", async () => {
    await forAll(window, async ([size, kernel, stride, pad]) => {
      const attributes: Attributes = {
        kernel_shape: { ints: [kernel, kernel] },
        strides: { ints: [stride, stride] },
        pads: { ints: [pad, pad, pad, pad] },
      };
      const build = (o: Ops) => o.builder.add("MaxPool", ["x"], attributes);
      await expectGradients({ inputs: { x: distinct([2, 3, size, size + 1]) }, step: 0.005 }, build);
    });
  });

  it.each(["GlobalAveragePool", "GlobalMaxPool"])("%s", async (op) => {
    await expectGradients({ inputs: { x: distinct([2, 3, 4, 5]) }, step: 0.005 }, (o) => o.builder.add(op, ["x"]));
  });
});

/**
 * Numbers that are all at least 0.1 apart, in no order, so that no step changes which is the
 * largest.
 */
function distinct(dims: number[]) {
  const size = dims.reduce((product, dim) => product * dim, 1);
  const data = Float32Array.from({ length: size }, (_, i) => (((i * 7919) % size) - size / 2) * 0.1);
  return { dtype: "float32" as const, dims, data };
}

testOperatorsOf(import.meta.filename);
