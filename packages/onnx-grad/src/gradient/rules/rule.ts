import type { Ops } from "../../build/ops.ts";
import type { Dim } from "../../graph/dim.ts";
import { OnnxGradError } from "../../graph/errors.ts";
import type { Node } from "../../graph/graph.ts";
import type { Tensor } from "../../graph/tensor.ts";

/** A node's inputs; absent ones, also beyond the last, are the empty string. */
export type Inputs = readonly [string, string, string, string, string, string, ...string[]];

/** What a rule sees: the node, its values, and the gradients that arrive at its outputs. */
export interface GradientCall {
  readonly o: Ops;
  readonly node: Node;
  readonly x: Inputs;
  /** The first output. */
  readonly y: string;
  /**
   * Gradient of the first output, in its shape. Rules of operators with one output may count on it.
   */
  readonly g: string;
  /** Gradients of all outputs; undefined where none arrives. */
  readonly grads: readonly (string | undefined)[];
}

/** Builds the gradient of one input when asked to. */
export type Thunk = () => string;

/**
 * The vector-Jacobian product of an operator: one thunk per input, undefined where an input has no
 * gradient. A thunk's value may be larger than the input (the walker sums what was broadcast) or
 * have ones where the input is wider (the walker broadcasts it), so rules do not mention
 * broadcasting.
 */
export type GradientRule = (call: GradientCall) => readonly (Thunk | undefined)[];

/** Gradient rules by operator. */
export type GradientRules = Readonly<Record<string, GradientRule>>;

/** An error that says which node cannot be differentiated and why. */
export const cannot = (node: Node, why: string): OnnxGradError =>
  new OnnxGradError(`cannot differentiate ${node.op} node "${node.name}": ${why}`, { code: "ONNX_NO_GRADIENT" });

/** A dimension that has to be a number. */
export function known(node: Node, dim: Dim | undefined): number {
  if (typeof dim === "number") return dim;
  throw cannot(node, "it needs a dimension that is open; fix the batch with setBatch first");
}

/** The numbers of an input that must be constant. */
const constantOf = ({ o, node, x }: GradientCall, input: number): Tensor => {
  const name = x[input] ?? "";
  const tensor = o.builder.tensor(name);
  if (tensor === undefined) throw cannot(node, `its input ${input} "${name}" must be a constant`);
  return tensor;
};

/** The numbers of an integer input that must be constant; undefined if the input is absent. */
export function intsAt(call: GradientCall, input: number): number[] | undefined {
  return (call.x[input] ?? "") === "" ? undefined : Array.from(constantOf(call, input).data, Number);
}
