import { intOf } from "../graph/attributes.ts";
import type { Attributes, Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { float32, int64 } from "../graph/tensor.ts";
import { failNode } from "../infer/call.ts";
import { type Target, without } from "../upgrade/target.ts";
import { type Downgrade, integersOf, steps } from "./rule.ts";

/** Axes that were an attribute before operator set `since`. */
const axes =
  (since: number): Downgrade =>
  (b, node) => {
    if (b.to >= since) return [node];
    const given = integersOf(b, node, 1);
    const attributes = without(node.attributes, "noop_with_empty_axes");
    const [x = ""] = node.inputs;
    if (given === undefined || given.length === 0) {
      if (intOf(node, "noop_with_empty_axes", 0) === 0) return [{ ...node, inputs: [x], attributes }];
      return [{ ...node, op: "Identity", inputs: [x], attributes: {} }];
    }
    return [{ ...node, inputs: [x], attributes: { ...attributes, axes: { ints: given } } }];
  };

/** One axis after the other: OpenCV reads no Unsqueeze of several. */
const unsqueeze: Downgrade = (b, node) => {
  if (b.to >= 13) return [node];
  const given = integersOf(b, node, 1) ?? [];
  const [x = ""] = node.inputs;
  const type = b.type(x);
  const rank = type.shape.length + given.length;
  const ascending = given.map((axis) => (axis < 0 ? axis + rank : axis)).sort((one, other) => one - other);
  const s = steps(b, node);
  const shape = [...type.shape];
  let value = x;
  for (const axis of ascending.slice(0, -1)) {
    shape.splice(axis, 0, 1);
    value = s.add("Unsqueeze", [value], { ...type, shape: [...shape] }, { axes: { ints: [axis] } });
  }
  return s.end("Unsqueeze", [value], { axes: { ints: ascending.slice(-1) } });
};

/** Sizes of the pieces that a Split makes. */
function piecesOf(b: Target, node: Node): readonly number[] {
  const given = integersOf(b, node, 1);
  if (given !== undefined) return given;
  const { shape } = b.type(itemAt(node.inputs, 0));
  const axis = intOf(node, "axis", 0);
  const size = shape[axis < 0 ? axis + shape.length : axis];
  if (typeof size !== "number") failNode(node, "it splits the open batch");
  const count = node.outputs.length;
  const piece = Math.ceil(size / count);
  return node.outputs.map((_, i) => Math.min(piece, size - piece * i));
}

/** `num_outputs` came with 18; before 13 the sizes were an attribute. */
const split: Downgrade = (b, node) => {
  if (b.to >= 18) return [node];
  const [x = ""] = node.inputs;
  const attributes = without(node.attributes, "num_outputs");
  const pieces = piecesOf(b, node);
  if (b.to >= 13) return [{ ...node, inputs: [x, b.constant(int64(pieces), "split")], attributes }];
  return [{ ...node, inputs: [x], attributes: { ...attributes, split: { ints: pieces } } }];
};

/** Axes of the pads came with 18: pads of all axes are written out. */
const pad: Downgrade = (b, node) => {
  const chosen = b.to < 18 ? integersOf(b, node, 3) : undefined;
  if (chosen === undefined) return [node];
  const [x = "", , value = ""] = node.inputs;
  const rank = b.type(x).shape.length;
  const given = integersOf(b, node, 1) ?? [];
  const pads = Array<number>(2 * rank).fill(0);
  chosen.forEach((axis, i) => {
    const at = axis < 0 ? axis + rank : axis;
    pads[at] = itemAt(given, i);
    pads[at + rank] = itemAt(given, i + chosen.length);
  });
  return [{ ...node, inputs: [x, b.constant(int64(pads), "pads"), ...(value === "" ? [] : [value])] }];
};

/** Before 13 the region of interest and the scales had to be there, if empty. */
const resize: Downgrade = (b, node) => {
  if (b.to >= 13) return [node];
  const [x = "", roi = "", scales = "", sizes = ""] = node.inputs;
  const filled = (name: string): string => name || b.constant(float32([]), "none");
  return [{ ...node, inputs: [x, filled(roi), filled(scales), ...(sizes === "" ? [] : [sizes])] }];
};

/**
 * Written as two comparisons: the negation of the opposite one would be true of numbers that are
 * none.
 */
const orEqual =
  (op: "Less" | "Greater"): Downgrade =>
  (b, node) => {
    if (b.to >= 12) return [node];
    const s = steps(b, node);
    const type = b.type(itemAt(node.outputs, 0));
    return s.end("Or", [s.add(op, node.inputs, type), s.add("Equal", node.inputs, type)]);
  };

/** Dropout does nothing outside training. */
const dropout: Downgrade = (b, node) => {
  if (b.to >= 12) return [node];
  const [, mask = ""] = node.outputs;
  const training = node.inputs[2] ?? "";
  if ((mask !== "" && b.isUsed(mask)) || (training !== "" && b.tensor(training)?.data[0] !== 0))
    failNode(node, "it is used as in training");
  return [identity(node)];
};

const identity = (node: Node): Node => ({
  ...node,
  op: "Identity",
  inputs: node.inputs.slice(0, 1),
  outputs: node.outputs.slice(0, 1),
  attributes: {},
});

/** CastLike came with 15. */
const castLike: Downgrade = (b, node) => {
  if (b.to >= 15) return [node];
  const codes = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, float64: 11 } as const;
  const to: Attributes = { to: { int: codes[b.type(itemAt(node.inputs, 1)).dtype] } };
  return [{ ...node, op: "Cast", inputs: node.inputs.slice(0, 1), attributes: to }];
};

const reductionsOf18 =
  "ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp ReduceLogSum ReduceProd";

/** Operators whose inputs were attributes, or that are written with simpler ones. */
export const formDowngrades: Readonly<Record<string, Downgrade>> = {
  Squeeze: axes(13),
  Unsqueeze: unsqueeze,
  ReduceSum: axes(13),
  ...Object.fromEntries(reductionsOf18.split(" ").map((op) => [op, axes(18)])),
  Split: split,
  Pad: pad,
  Resize: resize,
  LessOrEqual: orEqual("Less"),
  GreaterOrEqual: orEqual("Greater"),
  Dropout: dropout,
  CastLike: castLike,
};
