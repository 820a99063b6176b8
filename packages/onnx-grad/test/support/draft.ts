import type { Attributes, Graph, Node, ValueType } from "../../src/graph/graph.ts";
import type { Constant } from "../../src/graph/tensor.ts";

/** A node in short: operator, inputs, outputs, attributes. */
export type NodeSketch = readonly [op: string, inputs: string, outputs: string, attributes?: Attributes];

/** A graph by hand of which only the inputs have types; names are separated by spaces. */
export function sketch(
  inputs: Readonly<Record<string, ValueType["shape"]>>,
  nodes: readonly NodeSketch[],
  outputs: string,
  constants: Readonly<Record<string, Constant>> = {},
  opset = 13,
): Graph {
  const types = Object.entries(inputs).map(
    ([name, shape]) => [name, { dtype: "float32", shape } as ValueType] as const,
  );
  return {
    name: "sketch",
    opset,
    inputs: Object.keys(inputs),
    outputs: outputs.split(" "),
    nodes: nodes.map(([op, from, to, attributes = {}]): Node => {
      const names = (text: string): string[] => (text === "" ? [] : text.split(" "));
      return { op, domain: "", name: `${op}_${to.split(" ")[0]}`, inputs: names(from), outputs: names(to), attributes };
    }),
    types: new Map(types),
    constants: new Map(Object.entries(constants)),
    metadata: new Map(),
  };
}
