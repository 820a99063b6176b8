import { productOf } from "../build/ops.ts";
import { floatOf, intOf } from "../graph/attributes.ts";
import type { Attributes, Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { int64 } from "../graph/tensor.ts";
import { failNode } from "../infer/call.ts";
import { numberOf, replacement, type Target, type Upgrade, without } from "./target.ts";

/** Before 13 these worked on a matrix: all axes from `axis` on were one. */
const softmax: Upgrade = (b, node) => {
  if (b.opset >= 13) return [node];
  const [x, y] = [itemAt(node.inputs, 0), itemAt(node.outputs, 0)];
  const { dtype, shape } = b.type(x);
  const declared = intOf(node, "axis", 1);
  const axis = declared < 0 ? declared + shape.length : declared;
  const last: Attributes = { axis: { int: -1 } };
  if (axis === shape.length - 1) return [{ ...node, attributes: last }];
  const [rows, columns] = [productOf(shape.slice(0, axis)), productOf(shape.slice(axis))];
  if (typeof columns !== "number") failNode(node, "it folds the open batch");
  const matrix = { dtype, shape: [rows, columns] };
  const [flat, soft] = [b.value(`${y}_flat`, matrix), b.value(`${y}_soft`, matrix)];
  const restored = shape.map((dim, i) => (typeof dim === "number" ? dim : i === 0 && axis === 1 ? 0 : -1));
  const reshape = (input: string, to: number[], output: string): Node =>
    replacement("Reshape", [input, b.constant(int64(to), "shape")], output);
  return [
    reshape(x, [typeof rows === "number" ? rows : -1, columns], flat),
    { ...node, inputs: [flat], outputs: [soft], attributes: last },
    reshape(soft, restored, y),
  ];
};

/** Statistics per element, which operator set 9 gave up: (x - mean) / deviation * scale + shift. */
function perElement(b: Target, node: Node): Node[] {
  const [x = "", scale = "", shift = "", mean = "", variance = ""] = node.inputs;
  const [y = ""] = node.outputs;
  const nodes: Node[] = [];
  const step = (op: string, inputs: string[], output?: string): string => {
    const name = output ?? b.value(`${y}_${op}`, b.type(itemAt(inputs, 0)));
    nodes.push(replacement(op, inputs, name));
    return name;
  };
  const epsilon = b.constant(numberOf(floatOf(node, "epsilon", 1e-5), b.type(x).dtype), "epsilon");
  const deviation = step("Sqrt", [step("Add", [variance, epsilon])]);
  const standard = step("Div", [step("Sub", [x, mean]), deviation]);
  step("Add", [step("Mul", [standard, scale]), shift], y);
  return nodes;
}

/** Before 14 the number of outputs said whether to train, and there were two more of them. */
const batchNormalization: Upgrade = (b, node) => {
  if (b.opset >= 14) return [node];
  if (b.opset < 9 && intOf(node, "spatial", 1) === 0) return perElement(b, node);
  const attributes = without(node.attributes, "spatial");
  if (node.outputs.slice(1).every((output) => output === "")) {
    return [{ ...node, attributes, outputs: node.outputs.slice(0, 1) }];
  }
  const saved = node.outputs.slice(3).find((output) => output !== "" && b.isUsed(output));
  if (saved !== undefined) failNode(node, `its output "${saved}" is used, which operator set 14 no longer has`);
  const [y = "", mean, variance] = node.outputs;
  const outputs = [y, mean || b.value(`${y}_mean`, b.type(itemAt(node.inputs, 3)))];
  outputs.push(variance || b.value(`${y}_variance`, b.type(itemAt(node.inputs, 4))));
  return [{ ...node, attributes: { ...attributes, training_mode: { int: 1 } }, outputs }];
};

/**
 * Before 21 there was one scale and one shift per group: each is repeated for the channels of its
 * group.
 */
const groupNormalization: Upgrade = (b, node) => {
  const [x = "", scale = "", shift = ""] = node.inputs;
  if (b.opset >= 21 || b.to < 21) return [node];
  const channels = b.type(x).shape[1];
  const groups = intOf(node, "num_groups", 1);
  if (typeof channels !== "number") failNode(node, "its channels are open");
  const own = Array.from({ length: channels }, (_, i) => Math.floor(i / (channels / groups)));
  const indices = b.constant(int64(own), "group");
  const { dtype } = b.type(x);
  const repeated = [scale, shift].map((name) => b.value(`${name}_each`, { dtype, shape: [channels] }));
  return [
    replacement("Gather", [scale, indices], itemAt(repeated, 0)),
    replacement("Gather", [shift, indices], itemAt(repeated, 1)),
    { ...node, inputs: [x, ...repeated] },
  ];
};

/** `training_mode` and the ratio became inputs in 12; the old forms for inference have neither. */
const dropout: Upgrade = (b, node) => {
  if (b.opset >= 12) return [node];
  const mask = node.outputs[1] ?? "";
  const used = mask !== "" && b.isUsed(mask);
  if (used && b.opset < 10)
    failNode(node, `its mask "${mask}" is used, which holds numbers only before operator set 10`);
  const outputs = node.outputs.slice(0, used ? 2 : 1);
  return [{ ...node, attributes: without(node.attributes, "ratio"), outputs }];
};

/** Normalisations and what belongs to them. */
export const normUpgrades: Readonly<Record<string, Upgrade>> = {
  Softmax: softmax,
  LogSoftmax: softmax,
  BatchNormalization: batchNormalization,
  GroupNormalization: groupNormalization,
  Dropout: dropout,
};
