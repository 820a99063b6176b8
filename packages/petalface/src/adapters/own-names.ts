import type { Attribute, Graph, Node } from "onnx-grad";

/** What the names of nodes begin with that petalface adds to a network. */
const prefix = "petalface/";

/**
 * The graph with the backbone's names for the backbone's nodes, and every other node named under
 * `petalface/`. Other programs look at node names: insightface takes a network whose first nodes
 * are called `Sub` and `Mul` for one that normalises its input.
 *
 * @param frozen the backbone's names of its nodes, by the names that they have in the graph
 */
export function withOwnNames(graph: Graph, frozen: ReadonlyMap<string, string>): Graph {
  const taken = new Set(frozen.values());
  const own = (name: string): string => {
    let free = prefix + name;
    for (let i = 1; taken.has(free); i++) free = `${prefix}${name}_${i}`;
    taken.add(free);
    return free;
  };
  const nodes = graph.nodes.map((node) => ({ ...node, name: frozen.get(node.name) ?? own(node.name) }));
  return { ...graph, nodes };
}

/**
 * The graph with other names for some of its values. Who has such a name already gets another.
 *
 * @param wanted new names by old ones; names that the graph does not have are passed over
 */
export function renameValues(graph: Graph, wanted: ReadonlyMap<string, string>): Graph {
  const all = new Set([...graph.types.keys(), ...graph.constants.keys()]);
  const renamed = new Map([...wanted].filter(([from, to]) => all.has(from) && from !== to));
  const targets = new Set(renamed.values());
  for (const name of targets) {
    if (!all.has(name) || renamed.has(name)) continue;
    let other = `${name}_1`;
    for (let i = 2; all.has(other) || targets.has(other); i++) other = `${name}_${i}`;
    renamed.set(name, other);
  }
  if (renamed.size === 0) return graph;
  const to = (name: string): string => renamed.get(name) ?? name;
  const keys = <T>(map: ReadonlyMap<string, T>): Map<string, T> => new Map([...map].map(([k, v]) => [to(k), v]));
  return {
    ...graph,
    inputs: graph.inputs.map(to),
    outputs: graph.outputs.map(to),
    nodes: graph.nodes.map((node) => withValues(node, to)),
    types: keys(graph.types),
    constants: keys(graph.constants),
  };
}

/** The node with other names for its values, and for those that the branches of an `If` use. */
function withValues(node: Node, to: (name: string) => string): Node {
  const attribute = (value: Attribute): Attribute => {
    if (!("graph" in value)) return value;
    const { graph } = value;
    return {
      graph: { ...graph, outputs: graph.outputs.map(to), nodes: graph.nodes.map((inner) => withValues(inner, to)) },
    };
  };
  const attributes = Object.entries(node.attributes).map(([key, value]) => [key, attribute(value)]);
  return {
    ...node,
    inputs: node.inputs.map(to),
    outputs: node.outputs.map(to),
    attributes: Object.fromEntries(attributes),
  };
}
