import type { Graph } from "../graph/graph.ts";
import type { GraphBuilder } from "./builder.ts";

/** Keeps the names of a graph's nodes and values from being given to new ones before they are pushed themselves. */
export function reserveNames(b: GraphBuilder, graph: Graph): void {
  for (const node of graph.nodes) for (const name of [node.name, ...node.outputs]) if (name !== "") b.fresh(name);
}
