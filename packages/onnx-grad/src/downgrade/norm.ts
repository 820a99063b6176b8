import { floatOf, intOf, stringOf } from "../graph/attributes.ts";
import type { Attributes, Node, ValueType } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { failNode } from "../infer/call.ts";
import { numberOf } from "../upgrade/target.ts";
import { type Downgrade, steps } from "./rule.ts";

const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/**
 * Before 13 everything behind the axis was one axis: another axis than the last is moved there and
 * back.
 */
const softmax: Downgrade = (b, node) => {
  if (b.to >= 13) return [node];
  const type = b.type(itemAt(node.inputs, 0));
  const rank = type.shape.length;
  const axis = fromFront(intOf(node, "axis", -1), rank);
  const last: Attributes = { axis: { int: rank - 1 } };
  if (axis === rank - 1) return [{ ...node, attributes: last }];
  const order = Array.from({ length: rank }, (_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  const swap: Attributes = { perm: { ints: order } };
  const transposed: ValueType = { ...type, shape: order.map((from) => type.shape[from] ?? 1) };
  const s = steps(b, node);
  const soft = s.add(node.op, [s.add("Transpose", node.inputs, transposed, swap)], transposed, last);
  return s.end("Transpose", [soft], swap);
};

/** Normalisation of a batch by its own statistics is training's. */
const batchNormalization: Downgrade = (b, node) => {
  if (b.to < 14 && node.outputs.slice(1).some((output) => output !== ""))
    failNode(node, "it takes the statistics of the batch, as in training");
  return [{ ...node, outputs: node.outputs.slice(0, 1) }];
};

/** LayerNormalization came with 17: (x - mean) / sqrt(variance + epsilon) * scale + shift. */
const layerNormalization: Downgrade = (b, node) => {
  if (b.to >= 17) return [node];
  const [x = "", scale = "", shift = ""] = node.inputs;
  if (node.outputs.slice(1).some((output) => output !== "" && b.isUsed(output)))
    failNode(node, "its mean or deviation is used");
  const type = b.type(x);
  const first = fromFront(intOf(node, "axis", -1), type.shape.length);
  const axes = type.shape.flatMap((_, i) => (i >= first ? [i] : []));
  const reduced: ValueType = { ...type, shape: type.shape.map((dim, i) => (i >= first ? 1 : dim)) };
  const over: Attributes = { axes: { ints: axes }, keepdims: { int: 1 } };
  const s = steps(b, node);
  const centred = s.add("Sub", [x, s.add("ReduceMean", [x], reduced, over)], type);
  const variance = s.add("ReduceMean", [s.add("Mul", [centred, centred], type)], reduced, over);
  const epsilon = b.constant(numberOf(floatOf(node, "epsilon", 1e-5), floats(node, type)), "epsilon");
  const deviation = s.add("Sqrt", [s.add("Add", [variance, epsilon], reduced)], reduced);
  const standard = s.add("Div", [centred, deviation], type);
  if (shift === "") return s.end("Mul", [standard, scale]);
  return s.end("Add", [s.add("Mul", [standard, scale], type), shift]);
};

/** Gelu came with 20: x / 2 (1 + erf(x / sqrt 2)), or its approximation by tanh. */
const gelu: Downgrade = (b, node) => {
  if (b.to >= 20) return [node];
  const [x = ""] = node.inputs;
  const type = b.type(x);
  const number = (value: number): string => b.constant(numberOf(value, floats(node, type)), "number");
  const s = steps(b, node);
  const mul = (y: string, z: string): string => s.add("Mul", [y, z], type);
  const add = (y: string, z: string): string => s.add("Add", [y, z], type);
  const bent =
    stringOf(node, "approximate", "none") === "tanh"
      ? s.add("Tanh", [mul(add(x, mul(mul(mul(x, x), x), number(0.044715))), number(Math.sqrt(2 / Math.PI)))], type)
      : s.add("Erf", [mul(x, number(Math.SQRT1_2))], type);
  return s.end("Mul", [mul(x, number(0.5)), add(bent, number(1))]);
};

/** HardSwish came with 14: x times a hard sigmoid. */
const hardSwish: Downgrade = (b, node) => {
  if (b.to >= 14) return [node];
  const [x = ""] = node.inputs;
  const s = steps(b, node);
  const sigmoid = s.add("HardSigmoid", [x], b.type(x), { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
  return s.end("Mul", [x, sigmoid]);
};

/**
 * Constants of a formula have the element type of its value; half precision is not supported here.
 */
function floats(node: Node, { dtype }: ValueType): "float32" | "float64" {
  if (dtype !== "float32" && dtype !== "float64")
    return failNode(node, `it is in ${dtype}; an older operator set is written in float32 only`);
  return dtype;
}

/** Normalisations, and activations that are written with simpler operators. */
export const normDowngrades: Readonly<Record<string, Downgrade>> = {
  Softmax: softmax,
  LogSoftmax: softmax,
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  Gelu: gelu,
  HardSwish: hardSwish,
};
