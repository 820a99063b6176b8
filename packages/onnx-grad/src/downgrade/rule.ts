import type { Attributes, Node, ValueType } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { numbersOf } from "../graph/tensor.ts";
import { failNode } from "../infer/call.ts";
import type { Target } from "../upgrade/target.ts";

/** Rewrites one node for the older operator set `b.to`; returns the nodes that take its place. */
export type Downgrade = (b: Target, node: Node) => Node[];

/**
 * Whole numbers of an input, which must be a constant because the older form has them as an
 * attribute.
 */
export function integersOf(b: Target, node: Node, input: number): readonly number[] | undefined {
  const name = node.inputs[input] ?? "";
  if (name === "") return undefined;
  const tensor = b.tensor(name);
  if (tensor === undefined)
    failNode(node, `its input ${input} ("${name}") is computed, and operator set ${b.to} needs a constant there`);
  return numbersOf(tensor);
}

/**
 * Writes a formula node by node, named after the node that it stands for. The last step ends in
 * that node's output.
 */
export function steps(b: Target, node: Node) {
  const output = itemAt(node.outputs, 0);
  const nodes: Node[] = [];
  const add = (op: string, inputs: readonly string[], type: ValueType, attributes: Attributes = {}): string => {
    const name = b.value(`${output}_${op}`, type);
    nodes.push({ op, domain: "", name: `${node.name || output}_${name}`, inputs, outputs: [name], attributes });
    return name;
  };
  return {
    add,
    /** The nodes, the last of which puts out what the replaced node did. */
    end(op: string, inputs: readonly string[], attributes: Attributes = {}): Node[] {
      return [...nodes, { op, domain: "", name: node.name || output, inputs, outputs: [output], attributes }];
    },
  };
}
