import type { ShapeCall, ShapeRule, ShapeRules } from "./call.ts";
import { axesOf, axisOf } from "./call.ts";

/**
 * Axes of an operator that takes them as an attribute before version `since` and as input 1 from
 * then on.
 */
export function axesBefore(call: ShapeCall, since: number): readonly number[] | undefined {
  if (call.opset < since) return call.ints("axes");
  return call.has(1) ? call.integers(1) : undefined;
}

/** Reduction whose axes became an input in operator set `since`. */
const reduction =
  (since: number): ShapeRule =>
  (call) => {
    const { dtype, shape } = call.type(0);
    const given = axesBefore(call, since) ?? [];
    if (given.length === 0 && call.int("noop_with_empty_axes", 0) !== 0) return [{ dtype, shape }];
    const axes = given.length === 0 ? shape.map((_, axis) => axis) : axesOf(call, given, shape.length);
    const keep = call.int("keepdims", 1) !== 0;
    const reduced = shape.flatMap((dim, axis) => (axes.includes(axis) ? (keep ? [1] : []) : [dim]));
    return [{ dtype, shape: reduced }];
  };

const arg: ShapeRule = (call: ShapeCall) => {
  const shape = call.shape(0);
  const axis = axisOf(call, call.int("axis", 0), shape.length);
  const kept = call.int("keepdims", 1) !== 0 ? [1] : [];
  return [{ dtype: "int64", shape: [...shape.slice(0, axis), ...kept, ...shape.slice(axis + 1)] }];
};

const cumSum: ShapeRule = (call: ShapeCall) => {
  const type = call.type(0);
  const [axis = 0] = call.integers(1);
  axisOf(call, axis, type.shape.length);
  return [type];
};

const topK: ShapeRule = (call: ShapeCall) => {
  const { dtype, shape } = call.type(0);
  const axis = axisOf(call, call.int("axis", -1), shape.length);
  const count = call.opset < 10 ? call.int("k", 0) : (call.integers(1)[0] ?? call.fail("k is empty"));
  const kept = shape.map((dim, at) => (at === axis ? count : dim));
  return [
    { dtype, shape: kept },
    { dtype: "int64", shape: kept },
  ];
};

/** Reductions and running sums. */
export const reduceShapes: ShapeRules = {
  ReduceSum: reduction(13),
  ReduceMean: reduction(18),
  ReduceMax: reduction(18),
  ReduceMin: reduction(18),
  ReduceProd: reduction(18),
  ReduceL1: reduction(18),
  ReduceL2: reduction(18),
  ReduceSumSquare: reduction(18),
  ReduceLogSum: reduction(18),
  ReduceLogSumExp: reduction(18),
  ArgMax: arg,
  ArgMin: arg,
  CumSum: cumSum,
  TopK: topK,
};
