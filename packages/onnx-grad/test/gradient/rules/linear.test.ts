import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { random } from "../../run.ts";
import { testOperatorsOf } from "../../support/operators.ts";
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

describe("Einsum", () => {
  const equations: [string, ...number[][]][] = [
    ["bij,bjk->bik", [2, 3, 4], [2, 4, 5]],
    ["bij, bjk", [2, 3, 4], [2, 4, 5]],
    ["bhid,bhjd->bhij", [2, 2, 3, 4], [2, 2, 5, 4]],
    ["bihd,bjhd->bhij", [2, 3, 2, 4], [2, 5, 2, 4]],
    ["ij,kl->ijkl", [2, 3], [4, 2]],
    ["i,i->", [4], [4]],
    ["ij,j->i", [2, 3], [3]],
    ["ijk,jl->il", [2, 3, 4], [3, 5]],
    ["...ij,...jk->...ik", [2, 3, 3, 4], [2, 3, 4, 2]],
    ["...ij,jk", [2, 3, 4], [4, 2]],
    ["...i,...i->...", [2, 3], [1, 3]],
    ["a...b,b->...a", [2, 3, 4], [4]],
    ["bij,bjk->bik", [1, 3, 4], [2, 4, 5]],
    ["ij,ij->j", [2, 1], [2, 3]],
    ["ij->ji", [2, 3]],
    ["ijk->j", [2, 3, 4]],
    ["...i->i...", [2, 3, 4]],
    ["ij,jk,kl->il", [2, 3], [3, 4], [4, 2]],
  ];
  it.each(equations)("%s", async (equation, ...dims) => {
    const inputs = Object.fromEntries(dims.map((shape, i) => [`x${i}`, random(shape, i + 1)]));
    await expectGradients({ inputs, step: linear }, (o) => o.einsum(equation, ...Object.keys(inputs)));
  });

  it("takes any two operands", async () => {
    const letters = fc.shuffledSubarray([..."abcd"], { minLength: 1 });
    const cases = fc.tuple(letters, letters).chain(([first, second]) => {
      const all = [...new Set([...first, ...second])];
      return fc.tuple(fc.constant(first), fc.constant(second), fc.shuffledSubarray(all), fc.nat(999));
    });
    const sizes = new Map(Object.entries({ a: 2, b: 3, c: 1, d: 4 }));
    const dims = (own: string[]) => own.map((letter) => sizes.get(letter) ?? Number.NaN);
    await forAll(cases, async ([first, second, output, seed]) => {
      const inputs = { x: random(dims(first), seed), y: random(dims(second), seed + 1) };
      const equation = `${first.join("")},${second.join("")}->${output.join("")}`;
      await expectGradients({ inputs, step: linear }, (o) => o.einsum(equation, "x", "y"));
    });
  });

  it("works on an open batch", async () => {
    const inputs = { x: random([2, 3, 4], 1), y: random([2, 4, 5], 2) };
    await expectGradients({ inputs, open: ["x", "y"], step: linear }, (o) => o.einsum("nij,njk->nki", "x", "y"));
  });

  it("refuses an axis that an operand names twice", async () => {
    const trial = { inputs: { x: random([3, 3], 1) } };
    await expect(expectGradients(trial, (o) => o.einsum("ii->i", "x"))).rejects.toThrow('names an axis twice ("ii")');
  });
});

testOperatorsOf(import.meta.filename);
