import type { Graph, Node } from "./graph.ts";

/** The integer attribute `name` of a node, or what it defaults to. */
export function intOf(node: Node, name: string, otherwise: number): number {
  const value = node.attributes[name];
  return value !== undefined && "int" in value ? value.int : otherwise;
}

/** The float attribute `name` of a node, or what it defaults to. */
export function floatOf(node: Node, name: string, otherwise: number): number {
  const value = node.attributes[name];
  return value !== undefined && "float" in value ? value.float : otherwise;
}

/** The integer list `name` of a node, if it is there. */
export function intsOf(node: Node, name: string): readonly number[] | undefined {
  const value = node.attributes[name];
  return value !== undefined && "ints" in value ? value.ints : undefined;
}

/** The string attribute `name` of a node, or what it defaults to. */
export function stringOf(node: Node, name: string, otherwise: string): string {
  const value = node.attributes[name];
  return value !== undefined && "string" in value ? value.string : otherwise;
}

/** The graphs in a node's attributes, such as the branches of an `If`. */
export const bodiesOf = (node: Node): Graph[] =>
  Object.values(node.attributes).flatMap((value) => ("graph" in value ? [value.graph] : []));

/**
 * The values that a node uses: its inputs, and what the graphs in its attributes take from outside.
 */
export function usedBy(node: Node): string[] {
  const taken = bodiesOf(node).flatMap((body) => {
    const own = new Set([...body.types.keys(), ...body.constants.keys()]);
    return [...body.nodes.flatMap(usedBy), ...body.outputs].filter((name) => !own.has(name));
  });
  return [...node.inputs, ...taken];
}
