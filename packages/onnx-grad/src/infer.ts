import type { Node, ValueType } from "./graph.ts";
import type { Tensor } from "./tensor.ts";

/** What a shape rule may look at. */
export interface InferContext {
  /** Type of a value that is already defined. */
  type(name: string): ValueType;
  /** The numbers of a value that is a constant in memory (shapes, axes, pads). */
  tensor(name: string): Tensor | undefined;
  /** Version of the standard operator set. */
  readonly opset: number;
}

/** The types of a node's outputs, in order. Throws OnnxGradError naming node and operator if it cannot be typed. */
export function inferNode(node: Node, context: InferContext): ValueType[] {
  throw new Error("not yet");
}
