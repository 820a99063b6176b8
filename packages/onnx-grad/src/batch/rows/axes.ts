import { axisOf } from "../../infer/call.ts";
import { axesBefore } from "../../infer/reduce.ts";
import type { BatchPlace } from "../place.ts";
import { first, type RowRule, type RowRules, type Step, table } from "./rule.ts";

/** A reduction over axes that became an input in operator set `since`. */
const reduction = (since: number): RowRule =>
  first(({ call }, place) => {
    const rank = call.shape(0).length;
    const given = axesBefore(call, since) ?? [];
    if (given.length === 0 && call.int("noop_with_empty_axes", 0) !== 0) return place;
    const axes = given.length === 0 ? undefined : given.map((axis) => axisOf(call, axis, rank));
    return axes === undefined || axes.includes(place.axis)
      ? "it reduces over the images of the batch"
      : without(axes, call.int("keepdims", 1) !== 0, place);
  });

/** The place after axes before it went away, unless they stay as 1. */
const without = (axes: readonly number[], kept: boolean, place: BatchPlace): BatchPlace =>
  kept ? place : { ...place, axis: place.axis - axes.filter((axis) => axis < place.axis).length };

const arg: RowRule = first(({ call }, place) => {
  const axis = axisOf(call, call.int("axis", 0), call.shape(0).length);
  return axis === place.axis
    ? "it compares the images of the batch"
    : without([axis], call.int("keepdims", 1) !== 0, place);
});

/** Operators that work along one axis, or with `rest` from one axis on, and keep the shape. */
const along = (fallback: number, rest: boolean): RowRule =>
  first(({ call }, place) => {
    const axis = axisOf(call, call.int("axis", fallback), call.shape(0).length);
    return axis === place.axis || (rest && axis < place.axis) ? "it works over the images of the batch" : place;
  });

/** Before operator set 13 a softmax ran over all axes from its own on. */
const softmax: RowRule = (step: Step) => (step.call.opset < 13 ? along(1, true) : along(-1, false))(step);

const cumulative: RowRule = first(({ call }, place) => {
  const [axis] = call.integers(1).map((value) => axisOf(call, value, call.shape(0).length));
  return axis === place.axis ? "it sums over the images of the batch" : place;
});

const oneHot: RowRule = first(({ call, output }, place) => {
  const axis = axisOf(call, call.int("axis", -1), output.length);
  return { ...place, axis: place.axis + (axis <= place.axis ? 1 : 0) };
});

/** Operators along named axes. Images stay apart unless one of those is theirs. */
export const alongAxesRows: RowRules = {
  ReduceSum: reduction(13),
  ...table("ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2", reduction(18)),
  ...table("ReduceSumSquare ReduceLogSum ReduceLogSumExp", reduction(18)),
  ...table("ArgMax ArgMin", arg),
  ...table("Softmax LogSoftmax Hardmax", softmax),
  LpNormalization: along(-1, false),
  TopK: along(-1, false),
  ...table("LayerNormalization RMSNormalization SimplifiedLayerNormalization", along(-1, true)),
  CumSum: cumulative,
  OneHot: oneHot,
  Trilu: first((_, place) => place),
};
