import { type Dim, printShape } from "../graph/dim.ts";
import { numbersOf } from "../graph/tensor.ts";
import type { ShapeCall, ShapeRule, ShapeRules } from "./call.ts";
import { axisOf } from "./call.ts";

/**
 * Indices are integers; those that are known must lie within the axis, which onnxruntime would find
 * out only when it runs.
 */
function checkIndices(call: ShapeCall, size: Dim | undefined): void {
  const dtype = call.dtype(1);
  if (dtype !== "int64" && dtype !== "int32") call.fail(`its indices must be integers, not ${dtype}`);
  if (typeof size !== "number") return;
  for (const known of call.known(1)?.data ?? []) {
    const index = Number(known);
    if (index < -size || index >= size) call.fail(`index ${index} is outside its axis of ${size}`);
  }
}

const gather: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const axis = axisOf(call, call.int("axis", 0), shape.length);
  checkIndices(call, shape[axis]);
  return [{ dtype, shape: [...shape.slice(0, axis), ...call.shape(1), ...shape.slice(axis + 1)] }];
};

const gatherElements: ShapeRule = (call: ShapeCall) => {
  const [data, indices] = [call.shape(0), call.shape(1)];
  axisOf(call, call.int("axis", 0), data.length);
  if (data.length !== indices.length) {
    call.fail(`indices ${printShape(indices)} must have the rank of the data ${printShape(data)}`);
  }
  return [{ dtype: call.dtype(0), shape: indices }];
};

const scatter: ShapeRule = (call: ShapeCall) => {
  axisOf(call, call.int("axis", 0), call.shape(0).length);
  if (call.shape(1).length !== call.shape(2).length) call.fail("indices and updates must have the same shape");
  return [call.type(0)];
};

const gatherNd: ShapeRule = (call: ShapeCall) => {
  const [data, indices] = [call.shape(0), call.shape(1)];
  const batch = call.int("batch_dims", 0);
  const depth = indices.at(-1);
  if (typeof depth !== "number" || batch + depth > data.length) {
    call.fail(`indices ${printShape(indices)} do not fit the data ${printShape(data)}`);
  }
  return [{ dtype: call.dtype(0), shape: [...indices.slice(0, -1), ...data.slice(batch + depth)] }];
};

const oneHot: ShapeRule = (call: ShapeCall) => {
  const indices = call.shape(0);
  const [depth] = numbersOf(call.tensor(1));
  if (depth === undefined) call.fail("depth is empty");
  const axis = axisOf(call, call.int("axis", -1), indices.length + 1);
  return [{ dtype: call.dtype(2), shape: [...indices.slice(0, axis), depth, ...indices.slice(axis)] }];
};

/** Known values only: how many of them are not zero decides the shape. */
const nonZero: ShapeRule = (call: ShapeCall) => {
  const count = numbersOf(call.tensor(0)).filter((value) => value !== 0).length;
  return [{ dtype: "int64", shape: [Math.max(1, call.shape(0).length), count] }];
};

/** Reading and writing by index. */
export const gatherShapes: ShapeRules = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  ScatterElements: scatter,
  ScatterND: (call) => [call.type(0)],
  // The name of ScatterElements before operator set 11.
  Scatter: scatter,
  OneHot: oneHot,
  NonZero: nonZero,
};
