import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Ops, Tensor } from "../../src/index.ts";
import { awayFromZero, random } from "../run.ts";
import { broadcastPairs, expectGradients, forAll, linear, shapes } from "./trial.ts";

/** Numbers in [low, high). */
const within = (dims: readonly number[], seed: number, low: number, high: number): Tensor => {
  const tensor = random(dims, seed);
  const data = Float32Array.from(tensor.data as Float32Array, (value) => low + ((value + 1) / 2) * (high - low));
  return { dtype: "float32", dims, data };
};

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
    Softplus: { build: add("Softplus") },
    Erf: { build: (o) => o.erf("x") },
    Tanh: { build: (o) => o.tanh("x") },
    Sigmoid: { build: (o) => o.sigmoid("x") },
    Relu: { build: (o) => o.relu("x"), bend: true },
    LeakyRelu: { build: add("LeakyRelu", { alpha: { float: 0.3 } }), bend: true },
    "LeakyRelu that grows": { build: add("LeakyRelu", { alpha: { float: 1.5 } }), bend: true },
    "Pow 1": { build: (o) => o.pow("x", 1) },
    "Pow 2": { build: (o) => o.pow("x", 2) },
    "Pow 3": { build: (o) => o.pow("x", 3) },
    "Pow 1/2": { build: (o) => o.pow("x", 0.5), low: 0.5, high: 2 },
    "Pow -1.5": { build: (o) => o.pow("x", -1.5), low: 0.5, high: 2 },
    Dropout: { build: (o) => o.builder.add("Dropout", ["x"]) },
    Cast: { build: (o) => o.cast(o.cast("x", "float64"), "float32") },
    "Clip on both sides": { build: (o) => o.clip("x", -0.1, 0.1), bend: true },
    "Clip from below": { build: (o) => o.builder.add("Clip", ["x", o.scalar(0)]), bend: true },
    "Clip from above": { build: (o) => o.builder.add("Clip", ["x", "", o.scalar(0.1)]), bend: true },
    "Clip at 0 and 6": { build: (o) => o.clip(o.mul("x", 8), 0, 6), bend: true },
  };
  it.each(Object.entries(functions))("%s", async (_, { build, low = -1.5, high = 1.5, bend }) => {
    await forAll(
      fc.tuple(shapes(1, 4), fc.nat(999)),
      async ([dims, seed]) => {
        const x = bend ? awayFromZero(dims, seed) : within(dims, seed, low, high);
        await expectGradients({ inputs: { x } }, build);
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

describe("PRelu", () => {
  const faces = fc.tuple(shapes(3, 4), fc.nat(999));
  const slopeOf = (dims: number[]) => [dims[1] as number, ...dims.slice(2).map(() => 1)];

  it("has gradients by the values and by the slopes", async () => {
    await forAll(faces, async ([dims, seed]) => {
      const inputs = { x: awayFromZero(dims, seed), slope: random(slopeOf(dims), seed + 1) };
      await expectGradients({ inputs, step: 0.04 }, (o) => o.prelu("x", "slope"));
    });
  });

  it.each([
    ["between 0 and 1", 0.1, 0.9],
    ["below 0 or above 1", -1, 2],
  ])("takes frozen slopes %s", async (_, low, high) => {
    await forAll(faces, async ([dims, seed]) => {
      const inputs = { x: awayFromZero(dims, seed) };
      const constants = { slope: within(slopeOf(dims), seed, low, high) };
      await expectGradients({ inputs, constants }, (o) => o.prelu("x", "slope"));
    });
  });
});

describe("Gelu", () => {
  it.each(["none", "tanh"])("composed of simple operators, approximate = %s", async (approximate) => {
    const { checkGradients, GraphBuilder, ops } = await import("../../src/index.ts");
    const { run } = await import("../run.ts");
    const b = new GraphBuilder({ name: "gelu", opset: 20 });
    b.input("x", { dtype: "float32", shape: [3, 5] });
    const y = b.add("Gelu", ["x"], { approximate: { string: approximate } });
    const loss = ops(b).reduceSum(ops(b).mul(y, y), undefined, false);
    const feeds = { x: within([3, 5], 4, -2, 2) };
    const { worst } = await checkGradients(b.build([loss]), { loss, wrt: ["x"], feeds, run, step: 0.02 });
    expect(worst).toBeLessThan(3e-3);
  });
});
