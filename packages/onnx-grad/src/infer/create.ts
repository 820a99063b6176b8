import { type Dim, printShape } from "../graph/dim.ts";
import { dtypeOfCode } from "../graph/dtypes.ts";
import type { Node } from "../graph/graph.ts";
import { tupleOf } from "../graph/item-at.ts";
import { float32, int64, type Tensor } from "../graph/tensor.ts";
import { failNode, fixed, type ShapeCall, type ShapeRule, type ShapeRules } from "./call.ts";

/** The tensor of a Constant node. Throws for strings and sparse tensors. */
export function constantOfNode(node: Node): Tensor {
  for (const [name, attribute] of Object.entries(node.attributes)) {
    if (name === "value" && "tensor" in attribute) return attribute.tensor;
    if (name === "value_float" && "float" in attribute) return float32(attribute.float);
    if (name === "value_floats" && "floats" in attribute) return float32(attribute.floats);
    if (name === "value_int" && "int" in attribute) return int64(attribute.int);
    if (name === "value_ints" && "ints" in attribute) return int64(attribute.ints);
  }
  failNode(node, "it holds no dense numeric value");
}

const constant: ShapeRule = (call: ShapeCall) => {
  const { dtype, dims } = constantOfNode(call.node);
  return [{ dtype, shape: dims }];
};

const constantOfShape: ShapeRule = (call: ShapeCall) => {
  const value = call.node.attributes.value;
  if (value !== undefined && !("tensor" in value)) call.fail(`attribute "value" must be a tensor`);
  return [{ dtype: value?.tensor.dtype ?? "float32", shape: call.dims(0) }];
};

const shapeOf: ShapeRule = (call: ShapeCall) => {
  const rank = call.shape(0).length;
  const clamp = (axis: number): number => Math.min(rank, Math.max(0, axis < 0 ? axis + rank : axis));
  const length = clamp(call.int("end", rank)) - clamp(call.int("start", 0));
  return [{ dtype: "int64", shape: [Math.max(0, length)] }];
};

/** The length may be the open batch where the range counts from 0 by 1. */
const range: ShapeRule = (call: ShapeCall) => {
  const dtype = call.dtype(0);
  const [start, limit, delta] = [0, 1, 2].map((index): Dim | undefined =>
    dtype.startsWith("float") ? Number(call.tensor(index).data[0]) : call.dims(index)[0],
  );
  if (typeof limit === "object" && start === 0 && delta === 1) return [{ dtype, shape: [limit] }];
  const [from, to, by] = tupleOf(
    [start, limit, delta].map((dim) => fixed(call, dim, "an end of a range")),
    3,
  );
  const length = Math.max(0, Math.ceil((to - from) / by));
  if (!Number.isSafeInteger(length)) call.fail(`a range from ${from} to ${to} by ${by} has no length`);
  return [{ dtype, shape: [length] }];
};

const eyeLike: ShapeRule = (call: ShapeCall) => {
  const code = call.int("dtype", 0);
  const dtype = code === 0 ? call.dtype(0) : (dtypeOfCode(code) ?? call.fail(`element type ${code} is not supported`));
  return [{ dtype, shape: call.shape(0) }];
};

const trilu: ShapeRule = (call: ShapeCall) => {
  const type = call.type(0);
  if (type.shape.length < 2) call.fail(`input of shape ${printShape(type.shape)} is not a matrix`);
  return [type];
};

/** Operators that make values from shapes and numbers. */
export const createShapes: ShapeRules = {
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Shape: shapeOf,
  Size: () => [{ dtype: "int64", shape: [] }],
  Range: range,
  EyeLike: eyeLike,
  Trilu: trilu,
};
