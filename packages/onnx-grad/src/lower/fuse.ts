import type { Graph, Node } from "../graph/graph.ts";
import { prune } from "../graph/prune.ts";

/** What a fusion may look at. */
export interface Surroundings {
  readonly graph: Graph;
  /** The node that computes a value; undefined for graph inputs and constants. */
  producer(value: string): Node | undefined;
  /** How many inputs of nodes and graph outputs a value is. */
  uses(value: string): number;
}

/**
 * A graph in which each node for which `fuse` returns another is exchanged for it. The new node
 * must have the outputs of the old one, so its values keep names and types and operators without a
 * shape rule are welcome. Nodes that nothing needs any more go.
 */
export function fuseNodes(graph: Graph, fuse: (node: Node, around: Surroundings) => Node | undefined): Graph {
  const producers = new Map<string, Node>();
  const counts = new Map<string, number>();
  const count = (value: string) => counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const node of graph.nodes) {
    for (const output of node.outputs) producers.set(output, node);
    for (const input of node.inputs) count(input);
  }
  for (const output of graph.outputs) count(output);
  const around: Surroundings = {
    graph,
    producer: (value) => producers.get(value),
    uses: (value) => counts.get(value) ?? 0,
  };
  let changed = false;
  const nodes = graph.nodes.map((node) => {
    const fused = fuse(node, around);
    if (fused !== undefined) changed = true;
    return fused ?? node;
  });
  return changed ? prune({ ...graph, nodes }) : graph;
}
