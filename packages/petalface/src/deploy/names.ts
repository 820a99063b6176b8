import type { Graph, Node } from "onnx-grad";

/** Nodes whose names insightface looks at. */
const looked = 8;
const saysSub = /^(?:Sub|_minus)/;
const saysMul = /^(?:Mul|_mul)/;

/**
 * Whether insightface takes a network for one that wants pixels as they are: it looks at names of
 * the first eight nodes.
 */
export function looksUnnormalised({ nodes }: Pick<Graph, "nodes">): boolean {
  const names = nodes.slice(0, looked).map((node) => node.name);
  return names.some((name) => saysSub.test(name)) && names.some((name) => saysMul.test(name));
}

/**
 * The graph with names of its first nodes from which insightface sees how to feed it: pixels as
 * they are, or -1..1.
 */
export function withReadableNames(graph: Graph, wantsPixels: boolean): Graph {
  if (looksUnnormalised(graph) === wantsPixels) return graph;
  const rename = (node: Node, at: number): string => {
    if (wantsPixels) return at === 0 ? `Sub_${node.name}` : at === 1 ? `Mul_${node.name}` : node.name;
    return at < looked && (saysSub.test(node.name) || saysMul.test(node.name)) ? `petalface/${node.name}` : node.name;
  };
  return { ...graph, nodes: graph.nodes.map((node, at) => ({ ...node, name: rename(node, at) })) };
}
