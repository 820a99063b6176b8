import { OnnxGradError } from "../graph/errors.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import type { GraphBuilder } from "./builder.ts";

/** Options of {@link copyGraph}. */
export interface CopyOptions {
  /** For each graph input, the value of the builder that takes its place. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Prefix of the copied names; none keeps them where they are still free. */
  readonly prefix?: string;
  /** Constants to replace by a value of the builder, by name. */
  readonly constants?: ReadonlyMap<string, string>;
  /**
   * Pushes one renamed node; the place to put something else there. `original` is the node as the
   * graph has it.
   */
  readonly push?: (node: Node, original: Node) => void;
}

/**
 * Copies a graph's nodes and constants into a builder.
 * Returns the builder's name for every value of the graph. Throws if an input has no replacement.
 */
export function copyGraph(b: GraphBuilder, graph: Graph, options: CopyOptions): ReadonlyMap<string, string> {
  const prefix = options.prefix ?? "";
  const push = options.push ?? ((node: Node) => b.push(node));
  const names = new Map<string, string>([["", ""]]);
  for (const input of graph.inputs) {
    const replacement = options.inputs.get(input);
    if (replacement === undefined)
      throw new OnnxGradError(`input "${input}" of graph "${graph.name}" is not connected`);
    names.set(input, replacement);
  }
  for (const [name, constant] of graph.constants)
    names.set(name, options.constants?.get(name) ?? b.constant(constant, prefix + name));
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((input) => names.get(input) ?? input);
    const outputs = node.outputs.map((output) => (output === "" ? "" : b.fresh(prefix + output)));
    node.outputs.forEach((output, index) => {
      names.set(output, itemAt(outputs, index));
    });
    push({ ...node, name: b.fresh(prefix + (node.name || node.op)), inputs, outputs }, node);
  }
  return names;
}
