import type { Shape } from "./dim.ts";
import type { Constant, DType, Tensor } from "./tensor.ts";

/** An attribute of a node, tagged with the kind ONNX stores it as. */
export type Attribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly string: string }
  | { readonly strings: readonly string[] }
  | { readonly tensor: Tensor }
  /**
   * The body of an `If`: no inputs; it uses values of the graph around it by name, and its own
   * names are used nowhere else. Such graphs can be written, pruned and downgraded, but not read.
   */
  | { readonly graph: Graph };

/** Attributes of a node by name. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** One operator application. An absent optional input or output is the empty string, as in ONNX. */
export interface Node {
  readonly op: string;
  /** Operator set: the empty string for standard ONNX, `com.microsoft` for onnxruntime's own. */
  readonly domain: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes;
}

/** What is known of a value before it is computed. */
export interface ValueType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * A forward graph with dtype and shape on every value. Plain immutable data: functions return new
 * graphs. Nodes are in topological order and every value name is defined once (input, constant or
 * node output).
 */
export interface Graph {
  readonly name: string;
  /** Version of the standard operator set. */
  readonly opset: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
  /** Types of inputs and node outputs; constants carry their own. */
  readonly types: ReadonlyMap<string, ValueType>;
  readonly constants: ReadonlyMap<string, Constant>;
  /** The model's metadata_props. */
  readonly metadata: ReadonlyMap<string, string>;
}
