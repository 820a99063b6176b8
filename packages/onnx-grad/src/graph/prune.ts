import { usedBy } from "./attributes.ts";
import type { Graph, Node } from "./graph.ts";

/**
 * The part of a graph that leads from its inputs to its outputs: nodes, types and constants that no
 * output needs are left out. All inputs stay.
 */
export function prune(graph: Graph): Graph {
  const needed = new Set(graph.outputs);
  const given = new Set(graph.inputs);
  const nodes: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output) && !given.has(output))) continue;
    for (const value of usedBy(node)) needed.add(value);
    nodes.push(node);
  }
  nodes.reverse();
  const kept = new Set([...graph.inputs, ...nodes.flatMap((node) => node.outputs)]);
  return {
    ...graph,
    nodes,
    types: new Map([...graph.types].filter(([name]) => kept.has(name))),
    constants: new Map([...graph.constants].filter(([name]) => needed.has(name))),
  };
}
