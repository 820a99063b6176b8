import type { Graph, Node, ValueRows } from "onnx-grad";

/** Operators that hand numbers on as they are. */
const HANDING_ON: ReadonlySet<string> = new Set(
  "Reshape Flatten Transpose Squeeze Unsqueeze Identity Cast Dropout".split(" "),
);

/** Values looked at in all walks together; real networks need some thousands, a graph made to take long stops here. */
const MOST_VALUES = 1_000_000;

/**
 * The nodes on residual branches: those between a value x and a sum `x + f(x)`, where x may reach the sum reshaped. In a transformer these
 * are the blocks, without patch embedding, patch merging and head.
 */
export function nodesOnBranches(graph: Graph, rows: ReadonlyMap<string, ValueRows>): ReadonlySet<Node> {
  const places = new Map<string, number>();
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) places.set(output, index);
  });
  const placeOf = (value: string): number => places.get(value) ?? -1;
  const nodeOf = (value: string): Node | undefined => graph.nodes[placeOf(value)];
  const source = (value: string): string => {
    let at = value;
    for (let node = nodeOf(at); node !== undefined && HANDING_ON.has(node.op); node = nodeOf(at))
      at = node.inputs[0] as string;
    return at;
  };
  const found = new Set<Node>();
  let looked = 0;
  /** Walks back from the end of a branch to its start, no further than to nodes older than that. */
  const walk = (start: string, end: string): void => {
    const visited = new Set<string>();
    const waiting = [end];
    for (let value = waiting.pop(); value !== undefined && looked < MOST_VALUES; value = waiting.pop()) {
      looked++;
      if (visited.has(value) || placeOf(value) < placeOf(start)) continue;
      visited.add(value);
      if (value !== start) waiting.push(...(nodeOf(value)?.inputs ?? []));
    }
    if (!visited.delete(start)) return;
    for (const value of visited) {
      const node = nodeOf(value);
      if (node !== undefined) found.add(node);
    }
  };
  for (const node of graph.nodes) {
    if (node.op !== "Add") continue;
    const [a = "", b = ""] = node.inputs.filter((input) => rows.get(input)?.kind !== "shared");
    if (a === "" || b === "") continue;
    walk(source(a), b);
    walk(source(b), a);
  }
  return found;
}
