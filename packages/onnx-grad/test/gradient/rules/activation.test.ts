import fc from "fast-check";
import { describe, it } from "vitest";
import { itemAt } from "../../../src/graph/item-at.ts";
import type { Attributes, Ops } from "../../../src/index.ts";
import { awayFromZero, random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
import { expectGradients, forAll, shapes, within } from "./trial.ts";

const add =
  (op: string, attributes: Attributes = {}, domain = "") =>
  (o: Ops) =>
    o.builder.add(op, ["x"], attributes, { domain });

interface Activation {
  readonly build: (o: Ops) => string;
  readonly low?: number;
  readonly high?: number;
  /** It has a bend at 0. */
  readonly bend?: true;
  readonly opset?: number;
}

const alpha = (value: number): Attributes => ({ alpha: { float: value } });

describe("activation functions", () => {
  const functions: Record<string, Activation> = {
    Relu: { build: (o) => o.relu("x"), bend: true },
    LeakyRelu: { build: add("LeakyRelu", alpha(0.3)), bend: true },
    "LeakyRelu that grows": { build: add("LeakyRelu", alpha(1.5)), bend: true },
    ThresholdedRelu: { build: add("ThresholdedRelu", alpha(0.1)), bend: true },
    "Clip on both sides": { build: (o) => o.clip("x", -0.1, 0.1), bend: true },
    "Clip from below": { build: (o) => o.builder.add("Clip", ["x", o.scalar(0)]), bend: true },
    "Clip from above": { build: (o) => o.builder.add("Clip", ["x", "", o.scalar(0.1)]), bend: true },
    "Clip at 0 and 6": { build: (o) => o.clip(o.mul("x", 8), 0, 6), bend: true },
    Elu: { build: add("Elu"), bend: true },
    "Elu with alpha": { build: add("Elu", alpha(0.4)), bend: true },
    Selu: { build: add("Selu"), bend: true },
    "Selu with alpha and gamma": { build: add("Selu", { ...alpha(1.2), gamma: { float: 0.7 } }), bend: true },
    Celu: { build: add("Celu", alpha(0.6)), bend: true },
    Sigmoid: { build: (o) => o.sigmoid("x") },
    "HardSigmoid, rising": { build: add("HardSigmoid", { ...alpha(0.2), beta: { float: 0.5 } }) },
    "HardSigmoid, flat below": { build: add("HardSigmoid"), low: -5, high: -2.6 },
    "HardSigmoid, flat above": { build: add("HardSigmoid"), low: 2.6, high: 5 },
    "HardSwish, bent": { build: add("HardSwish"), low: -2.9, high: 2.9 },
    "HardSwish, flat": { build: add("HardSwish"), low: -5, high: -3.1 },
    "HardSwish, straight": { build: add("HardSwish"), low: 3.1, high: 5 },
    Mish: { build: add("Mish") },
    Swish: { build: add("Swish", alpha(1.3)), opset: 24 },
    QuickGelu: { build: add("QuickGelu", {}, "com.microsoft") },
    Softplus: { build: (o) => o.softplus("x") },
    Softsign: { build: add("Softsign"), bend: true },
    Tanh: { build: (o) => o.tanh("x") },
    Gelu: { build: add("Gelu"), opset: 20 },
    "Gelu by tanh": { build: add("Gelu", { approximate: { string: "tanh" } }), opset: 20 },
    "com.microsoft:Gelu": { build: add("Gelu", {}, "com.microsoft") },
  };
  it.each(Object.entries(functions))("%s", async (_, { build, low = -1.5, high = 1.5, bend, opset = 18 }) => {
    await forAll(
      fc.tuple(shapes(1, 4), fc.nat(999)),
      async ([dims, seed]) => {
        const x = bend ? awayFromZero(dims, seed) : within(dims, seed, low, high);
        await expectGradients({ inputs: { x }, opset, ...(seed % 2 === 1 && { open: ["x"] }) }, build);
      },
      6,
    );
  });
});

describe("PRelu", () => {
  const faces = fc.tuple(shapes(3, 4), fc.nat(999));
  const slopeOf = (dims: number[]) => [itemAt(dims, 1), ...dims.slice(2).map(() => 1)];

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

testOperatorsOf(import.meta.filename);
