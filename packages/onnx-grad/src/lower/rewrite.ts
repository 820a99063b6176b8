import { GraphBuilder } from "../build/builder.ts";
import { type Ops, ops } from "../build/ops.ts";
import type { Graph, Node } from "../graph/graph.ts";

/**
 * What stands for a node: undefined keeps it as it is; otherwise the values that take the places of
 * its outputs, which the function has built with `o` (or found). An unused output may be given as
 * the empty string.
 */
export type Replace = (o: Ops, node: Node) => readonly string[] | undefined;

/**
 * A graph with some nodes replaced. Values and nodes that nothing needs any more are left out;
 * inputs and outputs keep their names. `wanted` says cheaply which nodes may be replaced: a graph
 * without any is returned as it is. Every node must have a shape rule, so passes that bring in
 * operators of onnxruntime's own come after those that use this.
 */
export function replaceNodes(graph: Graph, wanted: (node: Node) => boolean, replace: Replace): Graph {
  if (!graph.nodes.some(wanted)) return graph;
  const b = new GraphBuilder({ ...graph, nodes: [] });
  const o = ops(b);
  // Names of nodes still to come are taken.
  for (const node of graph.nodes) b.fresh(node.name);
  const standing = new Map<string, string>();
  const now = (name: string): string => standing.get(name) ?? name;
  for (const original of graph.nodes) {
    const node = original.inputs.some((input) => standing.has(input))
      ? { ...original, inputs: original.inputs.map(now) }
      : original;
    const values = wanted(node) ? replace(o, node) : undefined;
    if (values === undefined) b.push(node);
    else
      node.outputs.forEach((output, i) => {
        if (output !== "" && values[i]) standing.set(output, values[i]);
      });
  }
  for (const output of graph.outputs) {
    const value = standing.get(output);
    if (value !== undefined) b.alias(value, output, "Output");
  }
  return b.build(graph.outputs);
}

/** As {@link replaceNodes}, for all nodes of one standard operator. */
export const replaceOperator =
  (op: string, replace: Replace) =>
  (graph: Graph): Graph =>
    replaceNodes(graph, (node) => node.domain === "" && node.op === op, replace);
