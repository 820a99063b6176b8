import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { writeTinyBackbone } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";
import { type Case, caseOf, families } from "./families.ts";
import { networks, trainingCase } from "./networks.ts";
import { distance, onCpu, onWasm, type Results, traceIn } from "./run.ts";
import { needsSwiftshader, swiftshader } from "./swiftshader.ts";
import type { Traced } from "./trace.ts";

/**
 * Of the largest number in each output. float32 keeps 6e-8 of each number, and sums of thousands of
 * them differ in order.
 */
const tolerance = 1e-5;

/**
 * What WGSL promises of the trigonometric functions is 2^-11, absolutely (WGSL, 15.7.4.1 Accuracy
 * of floating point built-in functions).
 */
const trigonometry = 2e-3;

/**
 * Operators that may run on the CPU under WebGPU: shapes and indices, which are int64, and float64.
 */
const onTheCpu: Readonly<Record<string, readonly string[]>> = {
  Cast: ["Cast"],
  GroupNormalization: ["Concat", "Div"],
  MaxPool: ["Reshape", "Transpose"],
  "conv net": ["Reshape", "Transpose"],
};

const losses = [
  ["distil", "low"],
  ["cosface", "twin"],
  ["distil+cosface", "low"],
  ["arcface", "twin"],
] as const;

const names = [
  ...families.map(([name]) => name),
  ...networks.map(([name]) => name),
  ...losses.map(([loss, gate]) => `training graph, ${loss}, ${gate} gate`),
];

const folder = temporaryFolder("petalface-providers-");
let cases: readonly Case[];
let expected: readonly Results[];

beforeAll(async () => {
  const model = join(folder, "tiny.onnx");
  await writeTinyBackbone(model);
  const training = losses.map(([loss, gate]) => trainingCase(model, loss, gate));
  cases = [...families.map(caseOf), ...networks.map(([, make]) => make()), ...(await Promise.all(training))];
  const results: Results[] = [];
  for (const each of cases) results.push(await onCpu(each));
  expected = results;
});

describe("gradients on onnxruntime-web's wasm are those of the CPU (1e-5)", () => {
  test.each(names.map((name, i) => ({ name, i })))("$name", async ({ i }) => {
    expect(distance(await onWasm(cases[i]), expected[i])).toBeLessThan(tolerance);
  });
});

describe.skipIf(!swiftshader)(
  `gradients on WebGPU are those of the CPU (1e-5; 2e-3 for sine and its kin)${needsSwiftshader}`,
  () => {
    let traced: readonly Traced[];
    beforeAll(async () => {
      traced = await traceIn(swiftshader ?? {}, "webgpu", cases);
      // All cases in one process: half a minute on two free cores, most of it SwiftShader
      // compiling.
    });

    test.each(names.map((name, i) => ({ name, i })))("$name, all of it on the device", ({ name, i }) => {
      const result = traced[i];
      if ("error" in result) throw new Error(result.error);
      const limit = /^(Sin|Cos|Tan|Acos|Asin|Atan)$/.test(name) ? trigonometry : tolerance;
      expect(distance(result.results, expected[i])).toBeLessThan(limit);
      expect(result.placed).toBeGreaterThan(0);
      const allowed = onTheCpu[name] ?? [];
      expect([...result.fallback.keys()].filter((op) => !allowed.includes(op))).toEqual([]);
    });
  },
);

test("the distance between results sees every kind of difference", () => {
  const results = (data: number[], dims = [data.length]): Results => ({
    y: { dtype: "float32", dims, data: Float32Array.from(data) },
  });
  expect(distance(results([1, 2]), results([1, 2]))).toBe(0);
  expect(distance(results([1, 2.5]), results([1, 2]))).toBe(0.25);
  expect(distance(results([1, Number.NaN]), results([1, 2]))).toBe(Infinity);
  expect(distance(results([1, 2], [2, 1]), results([1, 2]))).toBe(Infinity);
  expect(distance({}, results([1]))).toBe(Infinity);
});
