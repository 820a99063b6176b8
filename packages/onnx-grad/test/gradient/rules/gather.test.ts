import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { itemAt } from "../../../src/graph/item-at.ts";
import { int64, type Ops } from "../../../src/index.ts";
import { random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
import { expectGradients, forAll, linear, shapes } from "./trial.ts";

const int = (min: number, max: number) => fc.integer({ min, max });

/** Checks a linear function of one random tensor. */
const check = (dims: readonly number[], build: (o: Ops) => string | string[]) =>
  expectGradients({ inputs: { x: random(dims, 5) }, step: linear }, build);

describe("operators that read and write by index", () => {
  it("Gather along any axis, rows repeated, indices negative", async () => {
    const read = fc.tuple(shapes(1, 3), int(0, 2), fc.array(int(-9, 9), { minLength: 6, maxLength: 6 }));
    await forAll(read, async ([dims, wanted, picks]) => {
      const along = wanted % dims.length;
      const size = itemAt(dims, along);
      const indices = picks.map((pick) => pick % size);
      await check(dims, (o) => o.gather("x", o.builder.constant(int64(indices, [2, 3])), along));
      await check(dims, (o) => o.gather("x", o.builder.constant(int64(itemAt(indices, 0))), along - dims.length));
    });
  });

  it("Gather of neighbours, of one row, and in another order", async () => {
    for (const axis of [0, 1, -1]) {
      await check([4, 4, 4], (o) => o.gather("x", o.ints([1, 2]), axis));
      await check([4, 4, 4], (o) => o.gather("x", o.ints([-1]), axis));
      await check([4, 4, 4], (o) => o.gather("x", o.builder.constant(int64(2)), axis));
      await check([4, 4, 4], (o) => o.gather("x", o.ints([2, 0, -1, 1]), axis));
      await check([4, 4, 4], (o) => o.gather("x", o.builder.constant(int64([3, 1, 2, 0], [2, 2])), axis));
    }
  });

  it("Gather by indices that are an input, and along an axis beside the open batch", async () => {
    const inputs = { x: random([3, 4], 5), i: int64([3, -4, 3], [3]) };
    await expectGradients({ inputs, wrt: ["x"], open: ["x"], step: linear }, (o) => [
      o.gather("x", "i", 1),
      o.gather("x", o.ints([0, 2]), 1),
      o.gather("x", o.ints([2, 0, 1, 3]), 1),
    ]);
  });

  it("GatherElements by indices that are an input", async () => {
    const indices = int64([1, 0, 2, 1, 1, 0], [2, 3]);
    const trial = { inputs: { x: random([3, 3], 5), i: indices }, wrt: ["x"], step: linear };
    await expectGradients(trial, (o) => o.gatherElements("x", "i", 0));
  });

  it("GatherND", async () => {
    await check([3, 4, 2], (o) => o.gatherNd("x", o.builder.constant(int64([0, 1, 2, 3, 0, 1], [3, 2]))));
    await check([3, 4], (o) => o.gatherNd("x", o.builder.constant(int64([2, 0, 0, -1], [2, 2]))));
    const ofBatch = (o: Ops) =>
      o.builder.add("GatherND", ["x", o.builder.constant(int64([1, 0], [2, 1]))], { batch_dims: { int: 1 } });
    await expect(check([2, 3], ofBatch)).rejects.toThrow("batch_dims");
  });

  it.each(["none", "add"])("ScatterElements and ScatterND with reduction %s", async (reduction) => {
    const inputs = { x: random([4, 3], 5), u: random([2, 3], 6) };
    const attributes = { reduction: { string: reduction } };
    await expectGradients({ inputs, step: linear }, (o) => {
      const elements = o.builder.constant(int64([0, 1, 3, 2, 0, -3], [2, 3]));
      const rows = o.builder.constant(int64([3, 1], [2, 1]));
      return [
        o.builder.add("ScatterElements", ["x", elements, "u"], attributes),
        o.builder.add("ScatterND", ["x", rows, "u"], attributes),
      ];
    });
  });

  it("refuses a scatter that multiplies", async () => {
    const inputs = { x: random([4], 5), u: random([1], 6) };
    const build = (o: Ops) =>
      o.builder.add("ScatterND", ["x", o.unsqueeze(o.ints([1]), [1]), "u"], { reduction: { string: "mul" } });
    await expect(expectGradients({ inputs }, build)).rejects.toThrow("reduction mul");
  });
});

testOperatorsOf(import.meta.filename);
