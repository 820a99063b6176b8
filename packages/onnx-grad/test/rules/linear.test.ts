import fc from "fast-check";
import { describe, it } from "vitest";
import { random } from "../run.ts";
import { expectGradients, forAll, linear } from "./trial.ts";

const size = fc.integer({ min: 1, max: 5 });

describe("MatMul", () => {
  const batches: [string, number[], number[]][] = [
    ["matrices", [], []],
    ["a batch with a matrix", [3], []],
    ["two leading axes with a matrix", [2, 3], []],
    ["a matrix with a batch", [], [3]],
    ["equal batches", [2, 3], [2, 3]],
    ["batches that broadcast", [2, 1], [3]],
    ["batches that broadcast both ways", [2, 1], [1, 3]],
  ];
  it.each(batches)("multiplies %s", async (_, first, second) => {
    await forAll(fc.tuple(size, size, size, fc.nat(999)), async ([m, k, n, seed]) => {
      const inputs = { a: random([...first, m, k], seed), b: random([...second, k, n], seed + 1) };
      await expectGradients({ inputs, step: linear }, (o) => o.matmul("a", "b"));
    });
  });

  const vectors: [string, number[], number[]][] = [
    ["a vector with a matrix", [4], [4, 3]],
    ["a vector with a batch", [4], [2, 4, 3]],
    ["a matrix with a vector", [3, 4], [4]],
    ["a batch with a vector", [2, 3, 4], [4]],
    ["two vectors", [4], [4]],
  ];
  it.each(vectors)("multiplies %s", async (_, first, second) => {
    const inputs = { a: random(first, 1), b: random(second, 2) };
    await expectGradients({ inputs, step: linear }, (o) => o.matmul("a", "b"));
  });

  it("multiplies with a frozen matrix", async () => {
    const trial = { inputs: { a: random([2, 3, 4], 1) }, constants: { b: random([4, 5], 2) }, step: linear };
    await expectGradients(trial, (o) => o.matmul("a", "b"));
  });
});

describe("Gemm", () => {
  it("transposes, scales and adds a bias that broadcasts", async () => {
    const flag = fc.boolean();
    const biases = fc.constantFrom("none", "scalar", "row", "column", "full");
    const scales = fc.constantFrom(1, 0.5, -2);
    await forAll(
      fc.tuple(fc.tuple(size, size, size), flag, flag, biases, scales, scales),
      async ([[m, k, n], transA, transB, bias, alpha, beta]) => {
        const c = { none: undefined, scalar: [1], row: [n], column: [m, 1], full: [m, n] }[bias];
        const inputs = {
          a: random(transA ? [k, m] : [m, k], 1),
          b: random(transB ? [n, k] : [k, n], 2),
          ...(c && { c: random(c, 3) }),
        };
        await expectGradients({ inputs, step: linear }, (o) =>
          o.gemm("a", "b", { transA, transB, alpha, beta, ...(c && { c: "c" }) }),
        );
      },
      30,
    );
  });
});
