import { floatOf, intOf } from "../attributes.ts";
import { cannot, type Rule } from "./rule.ts";

/** Inference form: the statistics are constants, so this is a scale and a shift per channel. */
const batchNormalization: Rule = ({ o, node, x: [x, scale, , mean, variance], g }) => {
  if (intOf(node, "training_mode", 0) === 1)
    throw cannot(node, "training_mode is on; batch statistics have no gradient here");
  const channel = (vector: string) =>
    o.reshape(vector, [1, ...o.shape(vector), ...Array<number>(o.rank(x) - 2).fill(1)]);
  const deviation = () => o.sqrt(o.add(variance, floatOf(node, "epsilon", 1e-5)));
  const others = [...Array(o.rank(x)).keys()].filter((axis) => axis !== 1);
  return [
    () => o.mul(g, channel(o.div(scale, deviation()))),
    () => o.div(o.reduceSum(o.mul(g, o.sub(x, channel(mean))), others, false), deviation()),
    () => o.reduceSum(g, others, false),
  ];
};

/**
 * With x^ = (x - mean) / deviation and h = g * scale: dx = (h - mean(h) - x^ mean(h x^)) / deviation.
 * The walker makes every node on the path put out mean and 1 / deviation too.
 */
const layerNormalization: Rule = ({ o, node, x: [x, scale], g, grads }) => {
  if (grads[1] !== undefined || grads[2] !== undefined) throw cannot(node, "its statistics are used by other nodes");
  const [, mean, inverse] = node.outputs as [string, string, string];
  const first = o.axis(x, intOf(node, "axis", -1));
  const axes = [...Array(o.rank(x)).keys()].filter((axis) => axis >= first);
  const hat = o.mul(o.sub(x, mean), inverse);
  return [
    () => {
      const h = o.mul(g, scale);
      const along = o.mul(hat, o.reduceMean(o.mul(h, hat), axes));
      return o.mul(o.sub(o.sub(h, o.reduceMean(h, axes)), along), inverse);
    },
    () => o.mul(g, hat),
    () => g,
  ];
};

/** Rules of normalisations. */
export const norm: Readonly<Record<string, Rule>> = {
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
};
