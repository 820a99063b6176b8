import type { Attributes, Graph, Node, ValueType } from "../graph/graph.ts";
import { freshNames } from "../graph/names.ts";
import type { Constant, DType, Tensor } from "../graph/tensor.ts";
import { contextOf, type InferContext } from "../infer/context.ts";

/** Where a rewriting into another operator set looks up types and leaves what it adds. */
export interface Target extends InferContext {
  /** The operator set that nodes are brought to. */
  readonly to: number;
  constant(value: Tensor, stem: string): string;
  /** Declares an intermediate value. */
  value(stem: string, type: ValueType): string;
  /** Whether another node or the caller reads the value. */
  isUsed(name: string): boolean;
}

/** Rewrites one node of an older operator set; returns the nodes that take its place. */
export type Upgrade = (b: Target, node: Node) => Node[];

/** Attributes but for some. */
export const without = (attributes: Attributes, ...names: readonly string[]): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));

/** Inputs without the absent ones at the end. */
export function trimmed(inputs: readonly string[]): string[] {
  const all = [...inputs];
  while (all.at(-1) === "") all.pop();
  return all;
}

/** A node in place of another, named after what it puts out. */
export const replacement = (
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: Attributes = {},
): Node => ({ op, domain: "", name: `${output}_${op}`, inputs, outputs: [output], attributes });

/** One number in the element type of the values it is used with. */
export const numberOf = (value: number, dtype: DType): Tensor =>
  dtype === "float64"
    ? { dtype, dims: [], data: Float64Array.of(value) }
    : { dtype: "float32", dims: [], data: Float32Array.of(value) };

/** A context that also takes new constants and values; names stay unique. */
export function targetOf(
  graph: Graph,
  to: number,
  types: Map<string, ValueType>,
  constants: Map<string, Constant>,
): Target {
  const values = [...graph.inputs, ...graph.constants.keys(), ...graph.nodes.flatMap((node) => node.outputs)];
  const fresh = freshNames(new Set(values));
  const used = new Set([...graph.outputs, ...graph.nodes.flatMap((node) => node.inputs)]);
  return {
    ...contextOf(graph.opset, types, constants),
    to,
    constant(value, stem) {
      const name = fresh(stem);
      constants.set(name, value);
      return name;
    },
    value(stem, type) {
      const name = fresh(stem);
      types.set(name, type);
      return name;
    },
    isUsed: (name) => used.has(name),
  };
}
