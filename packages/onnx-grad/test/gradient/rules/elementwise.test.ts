import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Ops, Tensor } from "../../../src/index.ts";
import { awayFromZero, random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
import { broadcastPairs, expectGradients, forAll, linear, shapes, within } from "./trial.ts";

const add =
  (op: string, attributes = {}) =>
  (o: Ops) =>
    o.builder.add(op, ["x"], attributes);

describe("functions of one value", () => {
  const functions: Record<string, { build: (o: Ops) => string; low?: number; high?: number; bend?: true }> = {
    Neg: { build: (o) => o.neg("x") },
    Identity: { build: (o) => o.identity("x") },
    Abs: { build: (o) => o.abs("x"), bend: true },
    Reciprocal: { build: (o) => o.reciprocal("x"), low: 0.5, high: 2 },
    Sqrt: { build: (o) => o.sqrt("x"), low: 0.5, high: 2 },
    Exp: { build: (o) => o.exp("x") },
    Log: { build: (o) => o.log("x"), low: 0.5, high: 2 },
    Sin: { build: (o) => o.sin("x") },
    Cos: { build: (o) => o.cos("x") },
    Acos: { build: (o) => o.acos("x"), low: -0.7, high: 0.7 },
    Asin: { build: add("Asin"), low: -0.7, high: 0.7 },
    Atan: { build: add("Atan") },
    Tan: { build: add("Tan"), low: -1, high: 1 },
    Sinh: { build: add("Sinh") },
    Cosh: { build: add("Cosh") },
    Asinh: { build: add("Asinh") },
    Acosh: { build: add("Acosh"), low: 1.5, high: 3 },
    Atanh: { build: add("Atanh"), low: -0.7, high: 0.7 },
    Erf: { build: (o) => o.erf("x") },
    "Pow 0": { build: (o) => o.add(o.pow("x", 0), "x") },
    "Pow 1": { build: (o) => o.pow("x", 1) },
    "Pow 2": { build: (o) => o.pow("x", 2) },
    "Pow 3": { build: (o) => o.pow("x", 3) },
    "Pow 1/2": { build: (o) => o.pow("x", 0.5), low: 0.5, high: 2 },
    "Pow -1.5": { build: (o) => o.pow("x", -1.5), low: 0.5, high: 2 },
    Dropout: { build: (o) => o.builder.add("Dropout", ["x"]) },
    "Dropout in training that drops nothing": {
      build: (o) => o.builder.add("Dropout", ["x", o.scalar(0), o.scalar(1, "bool")]),
    },
    CastLike: { build: (o) => o.cast(o.builder.add("CastLike", ["x", o.scalar(0, "float64")]), "float32") },
    Cast: { build: (o) => o.cast(o.cast("x", "float64"), "float32") },
  };
  it.each(Object.entries(functions))("%s", async (_, { build, low = -1.5, high = 1.5, bend }) => {
    await forAll(
      fc.tuple(shapes(1, 4), fc.nat(999)),
      async ([dims, seed]) => {
        const x = bend ? awayFromZero(dims, seed) : within(dims, seed, low, high);
        await expectGradients({ inputs: { x }, ...(seed % 2 === 1 && { open: ["x"] }) }, build);
      },
      6,
    );
  });
});

describe("functions of two values, broadcast", () => {
  const functions: Record<string, (o: Ops) => string> = {
    Add: (o) => o.add("x", "y"),
    Sub: (o) => o.sub("x", "y"),
    Mul: (o) => o.mul("x", "y"),
    Div: (o) => o.div("x", "y"),
    Pow: (o) => o.pow("x", "y"),
    Sum: (o) => o.builder.add("Sum", ["x", "y", "x"]),
    Mean: (o) => o.builder.add("Mean", ["x", "y"]),
  };
  it.each(Object.entries(functions))("%s", async (_, build) => {
    await forAll(fc.tuple(broadcastPairs, fc.nat(999)), async ([[first, second], seed]) => {
      const inputs = { x: within(first, seed, 0.5, 2), y: within(second, seed + 1, 0.5, 2) };
      await expectGradients({ inputs }, build);
    });
  });

  it("gives Min and Max to the value that was taken", async () => {
    await forAll(fc.tuple(shapes(1, 3), fc.nat(999)), async ([dims, seed]) => {
      const x = awayFromZero(dims, seed);
      const three = (op: string) => (o: Ops) => o.builder.add(op, ["x", o.mul("x", 0.5), o.scalar(0.05)]);
      await expectGradients({ inputs: { x } }, three("Max"));
      await expectGradients({ inputs: { x } }, three("Min"));
    });
  });

  it("counts a tie of Max once", async () => {
    const x: Tensor = { dtype: "float32", dims: [3], data: Float32Array.of(1, -2, 3) };
    await expectGradients({ inputs: { x } }, (o) => o.max("x", o.identity("x")));
  });

  it("sends Where's gradient to the side that was taken", async () => {
    await forAll(fc.tuple(broadcastPairs, fc.nat(999)), async ([[first, second], seed]) => {
      const inputs = { x: random(first, seed), y: random(second, seed + 1), c: awayFromZero(first, seed + 2) };
      await expectGradients({ inputs, wrt: ["x", "y"], step: linear }, (o) => o.where(o.greater("c", 0), "x", "y"));
    });
  });
});

describe("steps", () => {
  it.each(["Floor", "Ceil", "Round", "Sign"])("%s is flat", async (op) => {
    await forAll(
      fc.tuple(shapes(0, 3), fc.nat(999)),
      async ([dims, seed]) => {
        // Away from whole and half numbers, where the steps are.
        const x = within(dims, seed, 1.1, 1.4);
        await expectGradients({ inputs: { x } }, (o) => o.add(o.mul(o.builder.add(op, ["x"]), 3), "x"));
      },
      6,
    );
  });
});

it("refuses a Dropout that drops, by name", async () => {
  const build = (o: Ops) => o.builder.add("Dropout", ["x", "", o.scalar(1, "bool")], {}, { name: "noise" });
  await expect(expectGradients({ inputs: { x: random([3], 1) } }, build)).rejects.toThrow('Dropout node "noise"');
});

testOperatorsOf(import.meta.filename);
