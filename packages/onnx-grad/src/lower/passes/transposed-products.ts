import type { Ops } from "../../build/ops.ts";
import { intsOf } from "../../graph/attributes.ts";
import type { Graph, Node } from "../../graph/graph.ts";
import { itemAt } from "../../graph/item-at.ts";
import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";

const isTranspose = (node: Node): boolean => node.op === "Transpose" && node.domain === "";

/** The order of axes after a Transpose node. */
const orderOf = (node: Node, rank: number): readonly number[] =>
  intsOf(node, "perm") ?? [...Array(rank).keys()].reverse();

/**
 * (A B)' as B' A', and a transpose of a transpose as one. Gradients of attention have the former,
 * where keys are transposed: onnxruntime's kernels read transposed operands directly, but a
 * transposed result needs a separate pass.
 */
export const transposedProducts: Pass = {
  name: "transposed-products",
  targets: ["cpu"],
  exact: false,
  run: (graph: Graph) => {
    const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
    const uses = new Map<string, number>();
    for (const value of [...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs])
      uses.set(value, (uses.get(value) ?? 0) + 1);
    /** `x` in this order of axes, through a transpose before it. */
    const turn = (o: Ops, x: string, order: readonly number[]): string => {
      const before = producers.get(x);
      if (before === undefined || !isTranspose(before)) return o.transpose(x, order);
      const first = orderOf(before, o.rank(x));
      return turn(
        o,
        itemAt(before.inputs, 0),
        order.map((axis) => itemAt(first, axis)),
      );
    };
    const swapped = (rank: number): number[] => [...Array(rank - 2).keys(), rank - 1, rank - 2];
    return replaceNodes(graph, isTranspose, (o, node) => {
      const [x = ""] = node.inputs;
      const rank = o.rank(x);
      const order = orderOf(node, rank);
      const before = producers.get(x);
      if (before === undefined) return undefined;
      if (isTranspose(before)) return [turn(o, x, order)];
      if (before.op !== "MatMul" || before.domain !== "" || uses.get(x) !== 1) return undefined;
      const [a = "", b = ""] = before.inputs;
      const isSwap = rank > 2 && order.join() === swapped(rank).join();
      if (!isSwap || o.rank(a) !== rank || o.rank(b) !== rank) return undefined;
      return [o.matmul(turn(o, b, swapped(rank)), turn(o, a, swapped(rank)))];
    });
  },
};
