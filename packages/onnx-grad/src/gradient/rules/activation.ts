import { type Ops, positive } from "../../build/ops.ts";
import { floatOf, stringOf } from "../../graph/attributes.ts";
import { slopes } from "../prepare.ts";
import type { GradientCall, GradientRule, GradientRules } from "./rule.ts";

/**
 * (1 + x) / 2 for x from -1 to 1: HardSigmoid computes a x + b in one go, and its limits 0 and 1
 * are not passed.
 */
const halfOfOnePlus = (o: Ops, x: string): string =>
  o.dtype(x) === "float32"
    ? o.builder.add("HardSigmoid", [x], { alpha: { float: 0.5 }, beta: { float: 0.5 } })
    : o.mul(o.add(x, 1), 0.5);

/** d/dx of x * Phi(x), Phi the normal distribution, or of its tanh approximation. */
const gelu: GradientRule = ({ o, node, x: [x], g }) => [
  () => {
    if (stringOf(node, "approximate", "none") === "none") {
      // s = x / sqrt(2): Phi(x) = (1 + erf s) / 2, x phi(x) = s exp(-s^2) / sqrt(pi).
      const s = o.mul(x, Math.SQRT1_2);
      const Phi = halfOfOnePlus(o, o.erf(s));
      // The factor goes into the exponent, where the sign is anyway: a pass less.
      const xphi = o.mul(s, o.exp(o.sub(-Math.log(Math.PI) / 2, o.mul(s, s))));
      return o.mul(g, o.add(Phi, xphi));
    }
    const c = Math.sqrt(2 / Math.PI);
    const xx = o.mul(x, x);
    const t = o.tanh(o.mul(o.mul(x, c), o.add(o.mul(xx, 0.044715), 1)));
    const dt = o.mul(o.sub(1, o.mul(t, t)), o.add(o.mul(xx, 3 * 0.044715 * c), c));
    return o.mul(g, o.mul(o.add(o.add(t, 1), o.mul(x, dt)), 0.5));
  },
];

/** x * sigmoid(a x), whose derivative is s + a y (1 - s). */
const swish =
  (alpha: number): GradientRule =>
  ({ o, node, x: [x], y, g }) => [
    () => {
      const a = floatOf(node, "alpha", alpha);
      const s = o.sigmoid(o.mul(x, a));
      return o.mul(g, o.add(s, o.mul(o.mul(y, a), o.sub(1, s))));
    },
  ];

/** 1 where Clip let the value through, else 0; read off the output if the limits are known. */
const unclipped = ({ o, x: [x, low, high], y }: GradientCall): string => {
  const limit = (name: string, otherwise: number) =>
    name === "" ? otherwise : Number(o.builder.tensor(name)?.data[0]);
  const [from, to] = [limit(low, -Infinity), limit(high, Infinity)];
  const nudge = (value: number) =>
    Math.max(Math.abs(value) * (o.dtype(x) === "float64" ? 2 ** -52 : 2 ** -23), 2 ** -126);
  if (Number.isNaN(from) || Number.isNaN(to)) return o.cast(o.equal(x, y), o.dtype(x));
  if (to === Infinity) return o.cast(o.greater(y, from), o.dtype(x));
  // Strictly between the limits is where a slightly narrower Clip changes nothing.
  return o.cast(o.equal(y, o.clip(y, from + nudge(from), to - nudge(to))), o.dtype(x));
};

/** 1 where low < x < high, else 0, as numbers. */
const inside = (o: Ops, x: string, low: number, high: number): string =>
  o.cast(o.and(o.greater(x, low), o.less(x, high)), o.dtype(x));

/**
 * Rules of activation functions. Masks come from the output where possible: the input is then free
 * to be fused away or overwritten. A mask as numbers, multiplied, is faster on onnxruntime's CPU
 * kernels than Where.
 */
export const activation: GradientRules = {
  Relu: ({ o, y, g }) => [() => o.mul(g, positive(o, y))],
  LeakyRelu: ({ o, node, x: [x], g }) => [() => o.mul(g, slopes(o, x, floatOf(node, "alpha", 0.01)))],
  PRelu: ({ o, x: [x, slope], g }) => [() => o.mul(g, slopes(o, x, slope)), () => o.mul(g, o.min(x, 0))],
  ThresholdedRelu: ({ o, node, x: [x], g }) => [
    () => o.mul(g, o.cast(o.greater(x, floatOf(node, "alpha", 1)), o.dtype(x))),
  ],
  Clip: (call) => [() => call.o.mul(call.g, unclipped(call))],

  // a e^x = y + a where x < 0.
  Elu: ({ o, node, x: [x], y, g }) => [
    () => o.mul(g, o.where(o.greater(x, 0), 1, o.add(y, floatOf(node, "alpha", 1)))),
  ],
  Selu: ({ o, node, x: [x], y, g }) => [
    () => {
      const gamma = floatOf(node, "gamma", 1.0507010221481323);
      const alpha = floatOf(node, "alpha", 1.6732631921768188);
      return o.mul(g, o.where(o.greater(x, 0), gamma, o.add(y, gamma * alpha)));
    },
  ],
  Celu: ({ o, node, x: [x], g }) => [() => o.mul(g, o.exp(o.div(o.min(x, 0), floatOf(node, "alpha", 1))))],

  Sigmoid: ({ o, y, g }) => [() => o.mul(g, o.mul(y, o.sub(1, y)))],
  HardSigmoid: ({ o, node, y, g }) => [() => o.mul(g, o.mul(inside(o, y, 0, 1), floatOf(node, "alpha", 0.2)))],
  // x h(x): h(x) + x h'(x), where h rises by 1/6 between -3 and 3.
  HardSwish: ({ o, x: [x], g }) => [
    () => {
      const h = o.builder.add("HardSigmoid", [x], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } });
      const rising = o.cast(o.less(o.abs(x), 3), o.dtype(x));
      return o.mul(g, o.add(h, o.mul(o.mul(x, rising), 1 / 6)));
    },
  ],
  // x tanh(softplus(x)): t + x (1 - t^2) sigmoid(x).
  Mish: ({ o, x: [x], g }) => [
    () => {
      const t = o.tanh(o.softplus(x));
      return o.mul(g, o.add(t, o.mul(o.mul(x, o.sub(1, o.mul(t, t))), o.sigmoid(x))));
    },
  ],
  Swish: swish(1),
  "com.microsoft:QuickGelu": swish(1.702),
  Softplus: ({ o, x: [x], g }) => [() => o.mul(g, o.sigmoid(x))],
  Softsign: ({ o, y, g }) => [
    () => {
      const rest = o.sub(1, o.abs(y));
      return o.mul(g, o.mul(rest, rest));
    },
  ],
  Tanh: ({ o, y, g }) => [() => o.mul(g, o.sub(1, o.mul(y, y)))],
  Gelu: gelu,
  "com.microsoft:Gelu": gelu,
};
