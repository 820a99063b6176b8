import { printShape, sameShape } from "../graph/dim.ts";
import type { ValueType } from "../graph/graph.ts";
import { axisOf, present, type ShapeCall, type ShapeRule, type ShapeRules } from "./call.ts";
import { broadcast } from "./dims.ts";

const softmax: ShapeRule = (call: ShapeCall) => {
  axisOf(call, call.int("axis", call.opset < 13 ? 1 : -1), Math.max(1, call.shape(0).length));
  return [call.type(0)];
};

const lpNorm: ShapeRule = (call: ShapeCall) => {
  axisOf(call, call.int("axis", -1), call.shape(0).length);
  return [call.type(0)];
};

/**
 * Normalisation over all axes from `axis` on; `statistics` of one number per normalised slice
 * follow.
 */
const trailing =
  (statistics: number): ShapeRule =>
  (call) => {
    const { dtype, shape } = call.type(0);
    const axis = axisOf(call, call.int("axis", -1), shape.length);
    for (const index of present(call, [1, 2])) {
      const wide = broadcast(shape, call.shape(index));
      if (wide === undefined || !sameShape(wide, shape))
        call.fail(
          `input ${index} of shape ${printShape(call.shape(index))} does not broadcast to ${printShape(shape)}`,
        );
    }
    const statistic = { dtype: "float32" as const, shape: shape.map((dim, index) => (index < axis ? dim : 1)) };
    return [{ dtype, shape }, ...Array<ValueType>(statistics).fill(statistic)];
  };

/** Inputs that hold one number per channel. */
function perChannel(call: ShapeCall, indices: readonly number[]): void {
  const channels = call.shape(0)[1] ?? 1;
  for (const index of indices) {
    const shape = call.shape(index);
    if (shape.length !== 1 || shape[0] !== channels) {
      call.fail(`input ${index} of shape ${printShape(shape)} does not have one number per channel`);
    }
  }
}

/**
 * Whether a batch normalisation uses (and puts out) the statistics of the batch: said by its
 * outputs until operator set 14.
 */
const isTraining = (call: ShapeCall): boolean =>
  call.opset < 14 ? call.node.outputs.slice(1).some((output) => output !== "") : call.int("training_mode", 0) !== 0;

const batchNorm: ShapeRule = (call: ShapeCall) => {
  const type = call.type(0);
  if (call.opset < 9 && call.int("spatial", 1) === 0) {
    const own = type.shape.slice(1);
    for (const index of [1, 2, 3, 4]) {
      if (String(call.shape(index)) !== String(own)) call.fail(`input ${index} must have shape ${printShape(own)}`);
    }
    return [type];
  }
  perChannel(call, [1, 2, 3, 4]);
  if (!isTraining(call)) {
    if (call.node.outputs.length > 1) call.fail("it puts out statistics, but training_mode is off");
    return [type];
  }
  const statistic: ValueType = { dtype: call.dtype(3), shape: call.shape(3) };
  return [type, ...Array<ValueType>(call.opset < 14 ? 4 : 2).fill(statistic)];
};

const instanceNorm: ShapeRule = (call: ShapeCall) => {
  perChannel(call, [1, 2]);
  return [call.type(0)];
};

const groupNorm: ShapeRule = (call: ShapeCall) => {
  const type = call.type(0);
  const channels = type.shape[1];
  const groups = call.int("num_groups", 0);
  if (typeof channels !== "number" || groups < 1 || channels % groups !== 0) {
    call.fail(`input of shape ${printShape(type.shape)} does not fall into ${groups} groups of channels`);
  }
  // One scale per group until operator set 21, one per channel since.
  const wanted = call.opset < 21 ? groups : channels;
  for (const index of [1, 2]) {
    if (call.shape(index)[0] !== wanted) call.fail(`input ${index} must hold ${wanted} numbers`);
  }
  return [type];
};

/** Normalisations. */
export const normShapes: ShapeRules = {
  Softmax: softmax,
  LogSoftmax: softmax,
  LayerNormalization: trailing(2),
  RMSNormalization: trailing(0),
  // onnxruntime's name for RMSNormalization before operator set 23; it registers it under the
  // standard domain.
  SimplifiedLayerNormalization: trailing(1),
  BatchNormalization: batchNorm,
  InstanceNormalization: instanceNorm,
  GroupNormalization: groupNorm,
  LpNormalization: lpNorm,
};
