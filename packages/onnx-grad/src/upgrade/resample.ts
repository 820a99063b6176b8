import { nearestPlace, origin } from "../gradient/rules/taps.ts";
import { intsOf, stringOf } from "../graph/attributes.ts";
import type { Attributes, Node, ValueType } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { float32, int64 } from "../graph/tensor.ts";
import { callOf, failNode } from "../infer/call.ts";
import { resizingOf } from "../infer/resample.ts";
import { replacement, type Target, type Upgrade } from "./target.ts";

/**
 * Upsample, and Resize before 11, counted places from the corner; the nearest was the one below
 * when enlarging, the one above when shrinking. onnxruntime's kernel decides that per axis, so an
 * image that does both takes two nodes.
 */
const upsample: Upgrade = (b, node) => {
  const [x = ""] = node.inputs;
  const [y = ""] = node.outputs;
  const { scales, shape } = resizingOf(callOf(node, b));
  const nearest = stringOf(node, "mode", "nearest") === "nearest";
  const attributes = (round: string): Attributes => ({
    coordinate_transformation_mode: { string: "asymmetric" },
    ...(nearest ? { nearest_mode: { string: round } } : { mode: { string: "linear" } }),
  });
  const resize = (input: string, factors: readonly number[], output: string, round: string): Node =>
    replacement("Resize", [input, "", b.constant(float32(factors), "scales")], output, attributes(round));
  if (!nearest || scales.every((scale) => scale >= 1)) return [resize(x, scales, y, "floor")];
  if (scales.every((scale) => scale <= 1)) return [resize(x, scales, y, "ceil")];
  const { dtype, shape: from } = b.type(x);
  const between = b.value(`${y}_enlarged`, {
    dtype,
    shape: shape.map((dim, i) => (itemAt(scales, i) > 1 ? dim : (from[i] ?? dim))),
  });
  return [
    resize(
      x,
      scales.map((scale) => Math.max(scale, 1)),
      between,
      "floor",
    ),
    resize(
      between,
      scales.map((scale) => Math.min(scale, 1)),
      y,
      "ceil",
    ),
  ];
};

/** Places of an axis that are listed one by one. */
const longest = 2 ** 20;

/**
 * A coordinate mode that operator set 13 gave up, as what it is: rows read by index, one axis after
 * the other.
 */
function gathered(b: Target, node: Node): Node[] {
  const [x = ""] = node.inputs;
  const [y = ""] = node.outputs;
  if (stringOf(node, "mode", "nearest") !== "nearest") failNode(node, "tf_half_pixel_for_nn is for mode nearest");
  const { scales, shape } = resizingOf(callOf(node, b));
  const axes = scales.flatMap((scale, axis) => (scale === 1 ? [] : [axis]));
  if (axes.length === 0) return [replacement("Identity", [x], y)];
  let type: ValueType = b.type(x);
  let input = x;
  return axes.map((axis, i): Node => {
    const [from, to] = [type.shape[axis], shape[axis]];
    if (typeof from !== "number" || typeof to !== "number") failNode(node, "it resizes the open batch");
    if (to > longest) failNode(node, `it makes an axis of ${to} places`);
    const places = Array.from({ length: to }, (_, at) =>
      nearestPlace(node, origin(node, at, itemAt(scales, axis), from, to), from),
    );
    type = { dtype: type.dtype, shape: type.shape.map((dim, at) => (at === axis ? to : dim)) };
    const output = i === axes.length - 1 ? y : b.value(`${y}_rows`, type);
    const read = replacement("Gather", [input, b.constant(int64(places), "places")], output, { axis: { int: axis } });
    input = output;
    return read;
  });
}

/**
 * Sizes of only those axes that change, so that a fixed batch among them does not stand in the way
 * of another one.
 */
function sizesThatChange(b: Target, node: Node): Node {
  const [x = "", , scales = "", sizes = ""] = node.inputs;
  const given = sizes === "" ? undefined : b.tensor(sizes);
  const factors = scales === "" ? 0 : (b.tensor(scales)?.data.length ?? 1);
  if (given === undefined || factors > 0 || b.to < 18 || node.attributes.axes !== undefined) return node;
  const { shape } = b.type(x);
  const wanted = Array.from(given.data, Number);
  const axes = wanted.flatMap((size, axis) => (size === shape[axis] ? [] : [axis]));
  if (axes.length === wanted.length || axes.length === 0) return node;
  const name = b.constant(int64(axes.map((axis) => itemAt(wanted, axis))), "sizes");
  return { ...node, inputs: [x, "", "", name], attributes: { ...node.attributes, axes: { ints: axes } } };
}

/**
 * Negative axes are counted from the front: onnxruntime 1.30 keeps aspect ratios wrongly with them.
 */
const resize: Upgrade = (b, node) => {
  if (b.opset < 11) return upsample(b, node);
  if (stringOf(node, "coordinate_transformation_mode", "half_pixel") === "tf_half_pixel_for_nn")
    return gathered(b, node);
  const axes = intsOf(node, "axes");
  if (!axes?.some((axis) => axis < 0)) return [sizesThatChange(b, node)];
  const rank = b.type(itemAt(node.inputs, 0)).shape.length;
  const positive = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  return [{ ...node, attributes: { ...node.attributes, axes: { ints: positive } } }];
};

/** Changes of resolution. */
export const resampleUpgrades: Readonly<Record<string, Upgrade>> = { Resize: resize, Upsample: upsample };
