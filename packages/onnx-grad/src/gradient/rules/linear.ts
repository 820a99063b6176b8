import { type Ops, productOf } from "../../build/ops.ts";
import { floatOf, intOf } from "../../graph/attributes.ts";
import { itemAt, lastOf } from "../../graph/item-at.ts";
import { callOf } from "../../infer/call.ts";
import { equationOf } from "../../infer/einsum.ts";
import { cannot, type GradientRule, type GradientRules } from "./rule.ts";

/** The leading axes joined: [..., columns] -> [rows, columns]. */
export function rows(o: Ops, x: string): string {
  const shape = o.shape(x);
  return o.reshape(x, [productOf(shape.slice(0, -1)), lastOf(shape)]);
}

/**
 * The gradient of an operand is the einsum of the output's gradient with all the others. Axes of
 * the operand that only it has were summed: they come back as ones.
 */
const einsum: GradientRule = ({ o, node, x, g }) => {
  const { operands, output } = equationOf(callOf(node, o.builder));
  return operands.map((own, i) => () => {
    if (new Set(own).size !== own.length) throw cannot(node, `its operand ${i} names an axis twice ("${own}")`);
    const others = operands.flatMap((_, j) => (j === i ? [] : [j]));
    const sources = [output, ...others.map((j) => itemAt(operands, j))];
    const present = [...own].filter((letter) => sources.some((letters) => letters.includes(letter)));
    const values = [g, ...others.map((j) => itemAt(x, j))];
    const product = o.einsum(`${sources.join()}->${present.join("")}`, ...values);
    const missing = [...own].flatMap((letter, axis) => (present.includes(letter) ? [] : [axis]));
    return missing.length === 0 ? product : o.unsqueeze(product, missing);
  });
};

/**
 * Products of matrices. A matrix operand goes through Gemm, which reads a constant transposed
 * instead of storing it twice.
 */
export const linear: GradientRules = {
  Einsum: einsum,

  MatMul: ({ o, x: [a, b], g }) => {
    const [m, n] = [o.rank(a), o.rank(b)];
    // A vector operand is a matrix with an axis that the product drops.
    const A = () => (m === 1 ? o.unsqueeze(a, [0]) : a);
    const B = () => (n === 1 ? o.unsqueeze(b, [1]) : b);
    const G = () => {
      const wide = n === 1 ? o.unsqueeze(g, [-1]) : g;
      return m === 1 ? o.unsqueeze(wide, [-2]) : wide;
    };
    const leading = (full: string, axis: number, vector: boolean) =>
      vector
        ? o.reduceSum(
            full,
            [...Array(o.rank(full)).keys()].filter((i) => i !== o.axis(full, axis)),
            false,
          )
        : full;
    return [
      () =>
        n === 2 && m > 1
          ? o.reshape(o.gemm(rows(o, g), b, { transB: true }), o.shape(a))
          : leading(o.matmul(G(), o.swap(B())), -1, m === 1),
      () =>
        n === 2 && m > 1
          ? o.gemm(rows(o, a), rows(o, g), { transA: true })
          : leading(o.matmul(o.swap(A()), G()), -2, n === 1),
    ];
  },

  Gemm: ({ o, node, x: [a, b], g }) => {
    const [transA, transB] = [intOf(node, "transA", 0) === 1, intOf(node, "transB", 0) === 1];
    const [alpha, beta] = [floatOf(node, "alpha", 1), floatOf(node, "beta", 1)];
    return [
      () => (transA ? o.gemm(b, g, { alpha, transA: transB, transB: true }) : o.gemm(g, b, { alpha, transB: !transB })),
      () => (transB ? o.gemm(g, a, { alpha, transA: true, transB: transA }) : o.gemm(a, g, { alpha, transA: !transA })),
      () => (beta === 1 ? g : o.mul(g, beta)),
    ];
  },
};
