import type { Attributes, Node, ValueType } from "../graph/graph.ts";
import type { DType, Tensor } from "../graph/tensor.ts";
import type { InferContext } from "../infer/infer.ts";

/** Where an upgrade looks up types and leaves what it adds. */
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
