import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { itemAt } from "../../../src/graph/item-at.ts";
import type { Attributes, Ops, Tensor } from "../../../src/index.ts";
import { awayFromZero, random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
import { expectGradients, forAll, shapes } from "./trial.ts";

/** Deviations must not be so small that a step of the finite differences turns everything round. */
const epsilon = { epsilon: { float: 0.1 } };

describe("normalisations", () => {
  it("BatchNormalization with stored statistics", async () => {
    await forAll(shapes(2, 4), async (dims) => {
      const channels = [itemAt(dims, 1)];
      const variance: Tensor = {
        dtype: "float32",
        dims: channels,
        data: new Float32Array(itemAt(channels, 0)).fill(0.7),
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

  const images = fc.tuple(shapes(2, 2), fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 1, maxLength: 3 }));
  const perChannel = (dims: number[]) => ({
    x: random(dims, 1, 2),
    scale: random([itemAt(dims, 1)], 2),
    shift: random([itemAt(dims, 1)], 3),
  });

  it("BatchNormalization with the statistics of the batch", async () => {
    await forAll(images, async ([[batch, channels], inner]) => {
      const dims = [batch + 1, channels, ...inner];
      const constants = { mean: random([channels], 4), variance: random([channels], 5) };
      const build = (o: Ops) =>
        itemAt(
          o.builder.addAll(
            "BatchNormalization",
            ["x", "scale", "shift", "mean", "variance"],
            { ...epsilon, training_mode: { int: 1 } },
            { outputs: 3 },
          ),
          0,
        );
      await expectGradients({ inputs: perChannel(dims), constants, step: 0.01 }, build);
    });
  });

  it("refuses gradients by a batch normalisation's running statistics", async () => {
    const inputs = { ...perChannel([2, 3, 4]), mean: random([3], 4), variance: random([3], 5) };
    const build = (o: Ops) =>
      o.builder.addAll("BatchNormalization", Object.keys(inputs), { training_mode: { int: 1 } }, { outputs: 3 });
    await expect(expectGradients({ inputs, wrt: ["x"] }, build)).rejects.toThrow("running statistics");
  });

  it("InstanceNormalization", async () => {
    await forAll(images, async ([outer, inner]) => {
      const inputs = perChannel([...outer, ...inner]);
      await expectGradients({ inputs, step: 0.01 }, (o) =>
        o.builder.add("InstanceNormalization", Object.keys(inputs), epsilon),
      );
    });
  });

  it.each([
    ["per group, operator set 18", 18],
    ["per channel, operator set 21", 21],
  ])("GroupNormalization with scales %s", async (_, opset) => {
    const groups = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), images);
    await forAll(groups, async ([count, each, [[batch], inner]]) => {
      const scales = [opset < 21 ? count : count * each];
      const dims = [batch, count * each, ...inner];
      const inputs = { x: random(dims, 1, 2), scale: random(scales, 2), shift: random(scales, 3) };
      const attributes = { ...epsilon, num_groups: { int: count } };
      await expectGradients({ inputs, step: 0.01, opset }, (o) =>
        o.builder.add("GroupNormalization", Object.keys(inputs), attributes),
      );
    });
  });

  it.each([
    ["RMSNormalization", 23],
    ["SimplifiedLayerNormalization", 18],
  ])("%s", async (op, opset) => {
    await forAll(layers, async ([dims, width, , two]) => {
      const shape = [...dims, width];
      const axis = two ? -2 : -1;
      const attributes: Attributes = { ...epsilon, axis: { int: axis } };
      const inputs = { x: random(shape, 1, 2), scale: random(shape.slice(axis), 2) };
      await expectGradients({ inputs, step: 0.01, opset }, (o) => o.builder.add(op, ["x", "scale"], attributes));
    });
  });

  it.each([1, 2])("LpNormalization with p = %i, along any axis", async (p) => {
    const cases = shapes(1, 3).chain((dims) =>
      fc.tuple(fc.constant(dims), fc.integer({ min: -dims.length, max: dims.length - 1 })),
    );
    await forAll(cases, ([dims, axis]) =>
      expectGradients({ inputs: { x: awayFromZero(dims, 3, 0.3) } }, (o) =>
        o.builder.add("LpNormalization", ["x"], { p: { int: p }, axis: { int: axis } }),
      ),
    );
  });

  it("works on an open batch", async () => {
    const inputs = perChannel([3, 4, 2, 2]);
    const build = (o: Ops) => {
      const names = ["x", "scale", "shift"];
      const instance = o.builder.add("InstanceNormalization", names, epsilon);
      const groups = o.builder.add("GroupNormalization", names, { ...epsilon, num_groups: { int: 2 } });
      const length = o.builder.add("LpNormalization", ["x"], { axis: { int: 1 } });
      const stored = [...names, "mean", "variance"];
      const training = { ...epsilon, training_mode: { int: 1 } };
      const batch = itemAt(o.builder.addAll("BatchNormalization", stored, training, { outputs: 3 }), 0);
      return [instance, groups, length, batch];
    };
    const constants = { mean: random([4], 4), variance: random([4], 5) };
    await expectGradients({ inputs, constants, open: ["x"], opset: 21, step: 0.01 }, build);
  });
});

testOperatorsOf(import.meta.filename);
