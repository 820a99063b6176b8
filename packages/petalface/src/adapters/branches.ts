import type { Graph, Node, ValueRows } from "onnx-grad";
import { itemAt } from "onnx-grad";

/** Operators that hand numbers on as they are. */
const HANDING_ON: ReadonlySet<string> = new Set(
  "Reshape Flatten Transpose Squeeze Unsqueeze Identity Cast Dropout".split(" "),
);

/**
 * Values looked at in all walks together; real networks need some thousands, a graph made to take
 * long stops here.
 */
const MOST_VALUES = 1_000_000;

/** A sum `x + f(x)`, where x may reach it reshaped. */
export interface ResidualSum {
  readonly sum: Node;
  /** Which input of the sum is f(x). */
  readonly branch: 0 | 1;
  /** The nodes between x and f(x). */
  readonly nodes: ReadonlySet<Node>;
}

/**
 * The nodes on residual branches: those between a value x and a sum `x + f(x)`. In a transformer
 * these are the blocks, without patch embedding, patch merging and head.
 */
export const nodesOnBranches = (graph: Graph, rows: ReadonlyMap<string, ValueRows>): ReadonlySet<Node> =>
  new Set(residualSums(graph, rows).flatMap(({ nodes }) => [...nodes]));

/** The residual sums of a graph, in its order. */
export function residualSums(graph: Graph, rows: ReadonlyMap<string, ValueRows>): ResidualSum[] {
  const places = new Map<string, number>();
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) places.set(output, index);
  });
  const placeOf = (value: string): number => places.get(value) ?? -1;
  const nodeOf = (value: string): Node | undefined => graph.nodes[placeOf(value)];
  const source = (value: string): string => {
    let at = value;
    for (let node = nodeOf(at); node !== undefined && HANDING_ON.has(node.op); node = nodeOf(at))
      at = itemAt(node.inputs, 0);
    return at;
  };
  let looked = 0;
  /**
   * Walks back from the end of a branch to its start, no further than to nodes older than that. The
   * nodes between; undefined if it never arrives.
   */
  const walk = (start: string, end: string): ReadonlySet<Node> | undefined => {
    const visited = new Set<string>();
    const waiting = [end];
    for (let value = waiting.pop(); value !== undefined && looked < MOST_VALUES; value = waiting.pop()) {
      looked++;
      if (visited.has(value) || placeOf(value) < placeOf(start)) continue;
      visited.add(value);
      if (value !== start) waiting.push(...(nodeOf(value)?.inputs ?? []));
    }
    if (!visited.delete(start)) return undefined;
    return new Set([...visited].flatMap((value) => nodeOf(value) ?? []));
  };
  return graph.nodes.flatMap((sum): ResidualSum[] => {
    if (sum.op !== "Add") return [];
    const [a = "", b = ""] = sum.inputs.filter((input) => rows.get(input)?.kind !== "shared");
    if (a === "" || b === "") return [];
    const [second, first] = [walk(source(a), b), walk(source(b), a)];
    return [
      ...(second === undefined ? [] : [{ sum, branch: 1 as const, nodes: second }]),
      ...(first === undefined ? [] : [{ sum, branch: 0 as const, nodes: first }]),
    ];
  });
}
