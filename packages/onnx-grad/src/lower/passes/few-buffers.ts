import type { Ops } from "../../build/ops.ts";
import { intOf } from "../../graph/attributes.ts";
import type { Node } from "../../graph/graph.ts";
import { itemAt } from "../../graph/item-at.ts";
import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";

/**
 * Tensors in addition to the one that a kernel splits or fills: every WebGPU device binds 8 buffers
 * to a shader, many no more.
 */
const most = 7;

/** Every piece as a slice of its own. Undefined if a piece's length is open. */
function slices(o: Ops, node: Node): string[] | undefined {
  const x = itemAt(node.inputs, 0);
  const axis = o.axis(x, intOf(node, "axis", 0));
  let start = 0;
  const pieces: string[] = [];
  for (const output of node.outputs) {
    if (output === "") return undefined;
    const size = o.shape(output)[axis];
    if (typeof size !== "number") return undefined;
    pieces.push(o.slice(x, [start], [start + size], [axis]));
    start += size;
  }
  return pieces;
}

/** Concat of at most {@link most} values at a time. */
function joined(o: Ops, node: Node): string[] {
  const axis = intOf(node, "axis", 0);
  let values = [...node.inputs];
  while (values.length > 1) {
    const next: string[] = [];
    for (let i = 0; i < values.length; i += most) next.push(o.concat(values.slice(i, i + most), axis));
    values = next;
  }
  return values;
}

/**
 * Splits and concatenations of many tensors, which onnxruntime's WebGPU provider (1.30) gives to
 * one shader, in smaller ones.
 */
export const fewBuffers: Pass = {
  name: "few-buffers",
  targets: ["webgpu"],
  exact: true,
  run: (graph) =>
    replaceNodes(
      graph,
      ({ op, domain, inputs, outputs }) =>
        domain === "" && ((op === "Split" && outputs.length > most) || (op === "Concat" && inputs.length > most)),
      (o, node) => (node.op === "Split" ? slices(o, node) : joined(o, node)),
    ),
};
