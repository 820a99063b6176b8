import { floatOf, stringOf } from "../attributes.ts";
import { positive } from "../ops.ts";
import { slopes } from "../prepare.ts";
import { type Call, cannot, type Rule } from "./rule.ts";

/** Where an input of Min or Max is the one that was taken; ties go to the first. */
const taken = ({ o, x, y, g }: Call, input: number): string => {
  const is = (i: number) => o.equal(x[i] as string, y);
  let mask = is(input);
  for (let i = 0; i < input; i++) mask = o.and(mask, o.not(is(i)));
  return o.where(mask, g, 0);
};
const extremum: Rule = (call) => call.node.inputs.map((_, i) => () => taken(call, i));

/** d/dx of x * Phi(x), Phi the normal distribution, or of its tanh approximation. */
const gelu: Rule = ({ o, node, x: [x], g }) => [
  () => {
    if (stringOf(node, "approximate", "none") === "none") {
      const phi = o.mul(o.exp(o.mul(o.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      const Phi = o.mul(o.add(o.erf(o.mul(x, Math.SQRT1_2)), 1), 0.5);
      return o.mul(g, o.add(Phi, o.mul(x, phi)));
    }
    const c = Math.sqrt(2 / Math.PI);
    const xx = o.mul(x, x);
    const t = o.tanh(o.mul(o.mul(x, c), o.add(o.mul(xx, 0.044715), 1)));
    const dt = o.mul(o.sub(1, o.mul(t, t)), o.add(o.mul(xx, 3 * 0.044715 * c), c));
    return o.mul(g, o.mul(o.add(o.add(t, 1), o.mul(x, dt)), 0.5));
  },
];

/** d/dx x^p = p x^(p-1), without Pow where p - 1 is 0, 1 or -1/2. */
const powOfBase = (call: Call): string => {
  const {
    o,
    x: [x, p],
    g,
  } = call;
  const exponent = o.builder.tensor(p);
  const value = exponent !== undefined && exponent.data.length === 1 ? Number(exponent.data[0]) : undefined;
  if (value === 1) return g;
  if (value === 2) return o.mul(g, o.mul(x, 2));
  if (value === 0.5) return o.div(o.mul(g, 0.5), call.y);
  if (value !== undefined) return o.mul(g, o.mul(o.pow(x, value - 1), value));
  const q = o.cast(p, o.dtype(x));
  return o.mul(g, o.mul(q, o.pow(x, o.sub(q, 1))));
};

/** 1 where Clip let the value through, else 0; read off the output if the limits are known. */
const unclipped = ({ o, x: [x, low, high], y }: Call): string => {
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

/** Rules of operators that act on each element by itself, after broadcasting. */
export const elementwise: Readonly<Record<string, Rule>> = {
  Identity: ({ g }) => [() => g],
  Cast: ({ o, x: [x], g }) => [() => o.cast(g, o.dtype(x))],
  Dropout: ({ o, node, x: [, , training], g }) => [
    () => {
      if (training !== "" && o.builder.tensor(training)?.data[0] !== 0) throw cannot(node, "it drops values at random");
      return g;
    },
  ],

  Add: ({ g }) => [() => g, () => g],
  Sub: ({ o, g }) => [() => g, () => o.neg(g)],
  Mul: ({ o, x: [a, b], g }) => [() => o.mul(g, b), () => o.mul(g, a)],
  Div: ({ o, x: [, b], y, g }) => [() => o.div(g, b), () => o.neg(o.mul(g, o.div(y, b)))],
  Pow: (call) => {
    const {
      o,
      x: [x],
      y,
      g,
    } = call;
    return [() => powOfBase(call), () => o.where(o.greater(x, 0), o.mul(g, o.mul(y, o.log(o.max(x, 1e-37)))), 0)];
  },
  Sum: ({ node, g }) => node.inputs.map(() => () => g),
  Mean: ({ o, node, g }) =>
    node.inputs.map(
      (_, __, { length }) =>
        () =>
          o.div(g, length),
    ),
  Min: extremum,
  Max: extremum,
  Where: ({ o, x: [condition], g }) => [undefined, () => o.where(condition, g, 0), () => o.where(condition, 0, g)],

  Neg: ({ o, g }) => [() => o.neg(g)],
  Abs: ({ o, x: [x], g }) => [() => o.mul(g, o.sign(x))],
  Reciprocal: ({ o, y, g }) => [() => o.neg(o.mul(g, o.mul(y, y)))],
  Sqrt: ({ o, y, g }) => [() => o.div(o.mul(g, 0.5), y)],
  Exp: ({ o, y, g }) => [() => o.mul(g, y)],
  Log: ({ o, x: [x], g }) => [() => o.div(g, x)],
  Sin: ({ o, x: [x], g }) => [() => o.mul(g, o.cos(x))],
  Cos: ({ o, x: [x], g }) => [() => o.neg(o.mul(g, o.sin(x)))],
  Acos: ({ o, x: [x], g }) => [() => o.neg(o.div(g, o.sqrt(o.sub(1, o.mul(x, x)))))],
  Asin: ({ o, x: [x], g }) => [() => o.div(g, o.sqrt(o.sub(1, o.mul(x, x))))],
  Atan: ({ o, x: [x], g }) => [() => o.div(g, o.add(o.mul(x, x), 1))],
  Softplus: ({ o, x: [x], g }) => [() => o.mul(g, o.sigmoid(x))],
  Erf: ({ o, x: [x], g }) => [() => o.mul(g, o.mul(o.exp(o.neg(o.mul(x, x))), 2 / Math.sqrt(Math.PI)))],
  Tanh: ({ o, y, g }) => [() => o.mul(g, o.sub(1, o.mul(y, y)))],
  Sigmoid: ({ o, y, g }) => [() => o.mul(g, o.mul(y, o.sub(1, y)))],
  Gelu: gelu,
  "com.microsoft:Gelu": gelu,

  // Masks come from the output where possible: the input is then free to be fused away or overwritten.
  // A mask as numbers, multiplied, is faster on onnxruntime's CPU kernels than Where.
  Relu: ({ o, y, g }) => [() => o.mul(g, positive(o, y))],
  LeakyRelu: ({ o, node, x: [x], g }) => [() => o.mul(g, slopes(o, x, floatOf(node, "alpha", 0.01)))],
  PRelu: ({ o, x: [x, slope], g }) => [() => o.mul(g, slopes(o, x, slope)), () => o.mul(g, o.min(x, 0))],
  Clip: (call) => [() => call.o.mul(call.g, unclipped(call))],
};
