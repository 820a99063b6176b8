import type { Ops } from "../../build/ops.ts";
import { itemAt } from "../../graph/item-at.ts";
import { cannot, type GradientCall, type GradientRule, type GradientRules } from "./rule.ts";

/** Where an input of Min or Max is the one that was taken; ties go to the first. */
const taken = ({ o, x, y, g }: GradientCall, input: number): string => {
  const is = (i: number) => o.equal(itemAt(x, i), y);
  let mask = is(input);
  for (let i = 0; i < input; i++) mask = o.and(mask, o.not(is(i)));
  return o.where(mask, g, 0);
};
const extremum: GradientRule = (call) => call.node.inputs.map((_, i) => () => taken(call, i));

/** d/dx x^p = p x^(p-1), without Pow where p - 1 is 0, 1 or -1/2. */
const powOfBase = (call: GradientCall): string => {
  const { o, g } = call;
  const [x, p] = call.x;
  const exponent = o.builder.tensor(p);
  const value = exponent !== undefined && exponent.data.length === 1 ? Number(exponent.data[0]) : undefined;
  if (value === 0) return o.scalar(0, o.dtype(x));
  if (value === 1) return g;
  if (value === 2) return o.mul(g, o.mul(x, 2));
  if (value === 0.5) return o.div(o.mul(g, 0.5), call.y);
  if (value !== undefined) return o.mul(g, o.mul(o.pow(x, value - 1), value));
  const q = o.cast(p, o.dtype(x));
  return o.mul(g, o.mul(q, o.pow(x, o.sub(q, 1))));
};

/**
 * Whether a Dropout does anything: only in training mode with a ratio (0.5 unless given) other than
 * 0.
 */
const drops = ({ o, x: [, ratio, training] }: GradientCall): boolean => {
  const is = (name: string, value: number) => Number(o.builder.tensor(name)?.data[0]) === value;
  return training !== "" && !is(training, 0) && !(ratio !== "" && is(ratio, 0));
};

/** Steps: flat wherever they have a derivative. */
const flat: GradientRule = ({ o, x: [x] }) => [() => o.scalar(0, o.dtype(x))];

/** sqrt(1 + sign x^2) */
const root = (o: Ops, x: string, sign: 1 | -1): string => {
  const square = o.mul(x, x);
  return o.sqrt(sign > 0 ? o.add(square, 1) : o.sub(1, square));
};

/** Rules of operators that act on each element by itself, after broadcasting. */
export const elementwise: GradientRules = {
  Identity: ({ g }) => [() => g],
  Cast: ({ o, x: [x], g }) => [() => o.cast(g, o.dtype(x))],
  CastLike: ({ o, x: [x], g }) => [() => o.cast(g, o.dtype(x))],
  Dropout: (call) => {
    if (drops(call)) throw cannot(call.node, "it drops values at random; export the model for inference");
    return [() => call.g];
  },

  Add: ({ g }) => [() => g, () => g],
  Sub: ({ o, g }) => [() => g, () => o.neg(g)],
  Mul: ({ o, x: [a, b], g }) => [() => o.mul(g, b), () => o.mul(g, a)],
  Div: ({ o, x: [, b], y, g }) => [() => o.div(g, b), () => o.neg(o.mul(g, o.div(y, b)))],
  Pow: (call) => {
    const { o, y, g } = call;
    const [x] = call.x;
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
  Tan: ({ o, y, g }) => [() => o.mul(g, o.add(o.mul(y, y), 1))],
  Acos: ({ o, x: [x], g }) => [() => o.neg(o.div(g, root(o, x, -1)))],
  Asin: ({ o, x: [x], g }) => [() => o.div(g, root(o, x, -1))],
  Atan: ({ o, x: [x], g }) => [() => o.div(g, o.add(o.mul(x, x), 1))],
  Sinh: ({ o, x: [x], g }) => [() => o.mul(g, o.builder.add("Cosh", [x]))],
  Cosh: ({ o, x: [x], g }) => [() => o.mul(g, o.builder.add("Sinh", [x]))],
  Asinh: ({ o, x: [x], g }) => [() => o.div(g, root(o, x, 1))],
  Acosh: ({ o, x: [x], g }) => [() => o.div(g, o.sqrt(o.sub(o.mul(x, x), 1)))],
  Atanh: ({ o, x: [x], g }) => [() => o.div(g, o.sub(1, o.mul(x, x)))],
  Erf: ({ o, x: [x], g }) => [() => o.mul(g, o.mul(o.exp(o.neg(o.mul(x, x))), 2 / Math.sqrt(Math.PI)))],
  Sign: flat,
  Floor: flat,
  Ceil: flat,
  Round: flat,
};
