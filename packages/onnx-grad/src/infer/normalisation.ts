import type { Call, Rule, Rules } from "./call.ts";
import { axisOf } from "./call.ts";
import { same } from "./elementwise.ts";

const softmax: Rule = (call: Call) => {
  axisOf(call, call.int("axis", call.opset < 13 ? 1 : -1), Math.max(1, call.shape(0).length));
  return [call.type(0)];
};

const layerNorm: Rule = (call: Call) => {
  const { dtype, shape } = call.type(0);
  const axis = axisOf(call, call.int("axis", -1), shape.length);
  const statistic = { dtype: "float32" as const, shape: shape.map((dim, index) => (index < axis ? dim : 1)) };
  return [{ dtype, shape }, statistic, statistic];
};

const batchNorm: Rule = (call: Call) => {
  if (call.int("training_mode", 0) !== 0 || call.node.outputs.filter((name) => name !== "").length > 1) {
    call.fail("only batch normalisation in inference mode is supported; export the model in eval mode");
  }
  const { shape } = call.type(0);
  for (const index of [1, 2, 3, 4]) {
    if (call.shape(index)[0] !== (shape[1] ?? 1)) call.fail(`input ${index} does not have one number per channel`);
  }
  return [call.type(0)];
};

/** Normalisations. */
export const NORMALISATION: Rules = {
  Softmax: softmax,
  LogSoftmax: softmax,
  LayerNormalization: layerNorm,
  BatchNormalization: batchNorm,
  InstanceNormalization: same,
  GroupNormalization: same,
  LpNormalization: same,
};
