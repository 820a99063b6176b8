import type { Ops } from "../../build/ops.ts";
import { floatOf, intOf } from "../../graph/attributes.ts";
import { itemAt } from "../../graph/item-at.ts";
import { once } from "../../graph/once.ts";
import { cannot, type GradientCall, type GradientRule, type GradientRules } from "./rule.ts";

/** x with mean 0 and deviation 1 along some axes: hat = (x - mean) * inverse. */
interface Standard {
  readonly hat: string;
  readonly inverse: string;
  readonly axes: readonly number[];
}

function standardise(o: Ops, x: string, axes: readonly number[], epsilon: number): Standard {
  const centred = o.sub(x, o.reduceMean(x, axes));
  const variance = o.reduceMean(o.mul(centred, centred), axes);
  const inverse = o.reciprocal(o.sqrt(o.add(variance, epsilon)));
  return { hat: o.mul(centred, inverse), inverse, axes };
}

/** Where h arrives at hat: dx = (h - mean(h) - hat mean(h hat)) * inverse. */
function throughStandard(o: Ops, h: string, { hat, inverse, axes }: Standard): string {
  const along = o.mul(hat, o.reduceMean(o.mul(h, hat), axes));
  return o.mul(o.sub(o.sub(h, o.reduceMean(h, axes)), along), inverse);
}

/** A vector of one number per channel, broadcastable to x. */
const channel = (o: Ops, vector: string, x: string): string =>
  o.reshape(vector, [1, ...o.shape(vector), ...Array<number>(o.rank(x) - 2).fill(1)]);

const axesOf = (o: Ops, x: string): number[] => [...Array(o.rank(x)).keys()];

/** The last axes of x, from the node's `axis` on. */
const trailing = ({ o, node, x: [x] }: GradientCall): number[] =>
  axesOf(o, x).slice(o.axis(x, intOf(node, "axis", -1)));

/**
 * Scale and shift per channel of a value that is standardised along axes that leave the channels
 * apart.
 */
function perChannel(call: GradientCall, make: () => Standard): ReturnType<GradientRule> {
  const { o, g } = call;
  const [x, scale] = call.x;
  const others = axesOf(o, x).filter((axis) => axis !== 1);
  const standard = once(make);
  return [
    () => throughStandard(o, o.mul(g, channel(o, scale, x)), standard()),
    () => o.reduceSum(o.mul(g, standard().hat), others, false),
    () => o.reduceSum(g, others, false),
  ];
}

/**
 * In inference the statistics are constants, so this is a scale and a shift per channel; in
 * training those of the batch.
 */
const batchNormalization: GradientRule = (call) => {
  const { o, node, x, g, grads } = call;
  const [input, scale, , mean, variance] = x;
  const others = axesOf(o, input).filter((axis) => axis !== 1);
  const epsilon = floatOf(node, "epsilon", 1e-5);
  if (intOf(node, "training_mode", 0) === 1) {
    if (grads.slice(1).some((grad) => grad !== undefined)) throw cannot(node, "its running statistics are used");
    return perChannel(call, () => standardise(o, input, others, epsilon));
  }
  const deviation = once(() => o.sqrt(o.add(variance, epsilon)));
  return [
    () => o.mul(g, channel(o, o.div(scale, deviation()), input)),
    () => o.div(o.reduceSum(o.mul(g, o.sub(input, channel(o, mean, input))), others, false), deviation()),
    () => o.reduceSum(g, others, false),
  ];
};

/** Scales are one per group until operator set 21, one per channel since. */
const groupNormalization: GradientRule = (call) => {
  const { o, node, g } = call;
  const [x, scale] = call.x;
  const [batch, channels] = [itemAt(o.shape(x), 0), o.dim(x, 1)];
  const count = intOf(node, "num_groups", 1);
  const inner = o.dims(x, 2);
  const rest = inner.reduce((product, dim) => product * dim, channels / count);
  const grouped = (value: string) => o.reshape(value, [batch, count, rest]);
  const standard = once(() => standardise(o, grouped(x), [2], floatOf(node, "epsilon", 1e-5)));
  const others = axesOf(o, x).filter((axis) => axis !== 1);
  const each = (value: string) => o.reduceSum(value, others, false);
  if (o.shape(scale)[0] === count) {
    const whole = (value: string) => o.reduceSum(value, [0, 2], false);
    return [
      () => o.reshape(throughStandard(o, o.mul(grouped(g), channel(o, scale, grouped(x))), standard()), o.shape(x)),
      () => whole(o.mul(grouped(g), standard().hat)),
      () => whole(grouped(g)),
    ];
  }
  return [
    () => o.reshape(throughStandard(o, grouped(o.mul(g, channel(o, scale, x))), standard()), o.shape(x)),
    () => each(o.mul(g, o.reshape(standard().hat, o.shape(x)))),
    () => each(g),
  ];
};

/** The walker makes every node on the path put out mean and 1 / deviation too. */
const layerNormalization: GradientRule = (call) => {
  const { o, node, x, g, grads } = call;
  if (grads[1] !== undefined || grads[2] !== undefined) throw cannot(node, "its statistics are used by other nodes");
  const [, mean = "", inverse = ""] = node.outputs;
  const hat = o.mul(o.sub(x[0], mean), inverse);
  return [
    () => throughStandard(o, o.mul(g, x[1]), { hat, inverse, axes: trailing(call) }),
    () => o.mul(g, hat),
    () => g,
  ];
};

/** hat = x / rms(x), and with h = g * scale: dx = (h - hat mean(h hat)) / rms(x). */
const rmsNormalization: GradientRule = (call) => {
  const { o, node, g, grads } = call;
  const [x, scale] = call.x;
  if (grads[1] !== undefined) throw cannot(node, "its statistics are used by other nodes");
  const axes = trailing(call);
  const square = o.reduceMean(o.mul(x, x), axes);
  const inverse = o.reciprocal(o.sqrt(o.add(square, floatOf(node, "epsilon", 1e-5))));
  const hat = o.mul(x, inverse);
  return [
    () => {
      const h = o.mul(g, scale);
      return o.mul(o.sub(h, o.mul(hat, o.reduceMean(o.mul(h, hat), axes))), inverse);
    },
    () => o.mul(g, hat),
  ];
};

/**
 * y = x / |x|: dx = (g - d sum(g y)) / |x|, d the norm's derivative: y for p = 2, the signs for p =
 * 1.
 */
const lpNormalization: GradientRule = ({ o, node, x: [x], y, g }) => [
  () => {
    const axes = [o.axis(x, intOf(node, "axis", -1))];
    const first = intOf(node, "p", 2) === 1;
    const norm = first ? o.reduceL1(x, axes) : o.reduceL2(x, axes);
    const along = o.mul(first ? o.sign(x) : y, o.reduceSum(o.mul(g, y), axes));
    return o.div(o.sub(g, along), o.max(norm, 1e-30));
  },
];

/** Rules of normalisations. */
export const norm: GradientRules = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: (call) => {
    const { o, node, x } = call;
    const inner = axesOf(o, x[0]).slice(2);
    return perChannel(call, () => standardise(o, x[0], inner, floatOf(node, "epsilon", 1e-5)));
  },
  GroupNormalization: groupNormalization,
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  SimplifiedLayerNormalization: rmsNormalization,
  LpNormalization: lpNormalization,
};
