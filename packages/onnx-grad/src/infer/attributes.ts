import type { Attribute, Node } from "../graph/graph.ts";
import { failNode } from "./call.ts";

/** Kinds of attribute whose name means the same in every operator that onnx-grad knows. */
const KINDS: Readonly<Record<"int" | "ints" | "float" | "string", string>> = {
  int: "axis group keepdims transA transB ceil_mode count_include_pad blocksize allowzero num_groups num_outputs exclusive reverse training_mode to",
  ints: "strides dilations pads kernel_shape perm axes output_padding output_shape",
  float: "alpha beta gamma lambd epsilon momentum",
  string: "auto_pad mode approximate equation reduction coordinate_transformation_mode nearest_mode",
};

const kindOf: ReadonlyMap<string, string> = new Map(
  Object.entries(KINDS).flatMap(([kind, names]) => names.split(" ").map((name) => [name, kind] as const)),
);

const WORDS: Readonly<Record<string, string>> = {
  int: "an integer",
  ints: "a list of integers",
  float: "a float",
  string: "a string",
};

/**
 * Fails where an attribute is of another kind than its name means: readers of attributes would take
 * its default instead.
 */
export function checkAttributes(node: Node): void {
  for (const [name, attribute] of Object.entries<Attribute>(node.attributes)) {
    const kind = kindOf.get(name);
    if (kind !== undefined && !(kind in attribute)) failNode(node, `attribute "${name}" must be ${WORDS[kind]}`);
  }
}
