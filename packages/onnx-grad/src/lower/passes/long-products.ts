import type { Ops } from "../../build/ops.ts";
import { floatOf, intOf } from "../../graph/attributes.ts";
import { isStatic } from "../../graph/dim.ts";
import type { Node } from "../../graph/graph.ts";
import { itemAt } from "../../graph/item-at.ts";
import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";

/** Rows that one piece of a sum may have. */
const longest = 400;
/** A result whose shorter side is beyond this has work enough to be shared out by itself. */
const thin = 64;

/** The largest piece of `rows` that is no longer than {@link longest} and leaves no rest. */
const pieceOf = (rows: number): number => {
  for (let count = Math.ceil(rows / longest); count < rows; count++) if (rows % count === 0) return rows / count;
  return 1;
};

/**
 * `a' b` of `[rows, m]` and `[rows, n]`, the thinner of both as the left operand, in pieces of the
 * rows.
 */
function inPieces(o: Ops, node: Node): string[] | undefined {
  const [a = "", b = ""] = node.inputs;
  const [left, right] = [o.shape(a), o.shape(b)];
  if (!isStatic(left) || !isStatic(right)) return undefined;
  const [rows = 0, m = 0] = left;
  const n = itemAt(right, 1);
  const piece = pieceOf(rows);
  if (Math.min(m, n) > thin || piece < thin || piece === rows) return undefined;
  const cut = (value: string, width: number): string => o.reshape(value, [rows / piece, piece, width]);
  const [first, second] = m <= n ? [cut(a, m), cut(b, n)] : [cut(b, n), cut(a, m)];
  const sum = o.reduceSum(o.matmul(o.swap(first), second), [0], false);
  return [m <= n ? sum : o.transpose(sum, [1, 0])];
}

/**
 * Products over very many rows with a small result (gradients of low-rank weights) as a batch of
 * products and a sum: onnxruntime's CPU provider shares a product out by the sides of its result,
 * so that a small one keeps few threads busy, and turns the long operand in memory.
 */
export const longProducts: Pass = {
  name: "long-products",
  targets: ["cpu"],
  exact: false,
  run: (graph) =>
    replaceNodes(
      graph,
      (node) =>
        node.domain === "" &&
        node.op === "Gemm" &&
        node.inputs.length === 2 &&
        intOf(node, "transA", 0) === 1 &&
        intOf(node, "transB", 0) === 0 &&
        floatOf(node, "alpha", 1) === 1,
      inPieces,
    ),
};
