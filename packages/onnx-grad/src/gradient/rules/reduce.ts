import { productOf } from "../../build/ops.ts";
import { intOf } from "../../graph/attributes.ts";
import { type GradientCall, type GradientRule, type GradientRules, intsAt } from "./rule.ts";

/** The axes that a Reduce node folds. */
const axesOf = (call: GradientCall): number[] => {
  const { o, node } = call;
  const [x] = call.x;
  const axes = intsAt(call, 1) ?? [];
  if (axes.length > 0) return axes.map((axis) => o.axis(x, axis));
  return intOf(node, "noop_with_empty_axes", 0) === 1 ? [] : [...Array(o.rank(x)).keys()];
};

/** A reduced value (the output, its gradient) with the folded axes kept as ones. */
const kept = (call: GradientCall, value: string): string => {
  const { o } = call;
  const [x] = call.x;
  const axes = axesOf(call);
  return o.reshape(
    value,
    o.shape(x).map((dim, i) => (axes.includes(i) ? 1 : dim)),
  );
};

/** How many elements of the input each output element stands for, as something to divide by. */
const folded = (call: GradientCall): string | number => {
  const { o, y } = call;
  const [x] = call.x;
  const axes = axesOf(call);
  const size = productOf(o.shape(x).filter((_, i) => axes.includes(i)));
  return typeof size === "number" ? size : o.div(o.count(x), o.count(y));
};

/** The gradient goes to the elements that equal the extremum, shared where several do. */
const extremum: GradientRule = (call) => {
  const { o, y, g } = call;
  const [x] = call.x;
  return [
    () => {
      const mask = o.cast(o.equal(x, kept(call, y)), o.dtype(x));
      return o.mul(mask, o.div(kept(call, g), o.reduceSum(mask, axesOf(call))));
    },
  ];
};

/**
 * The product of the others: y / x, but where there are zeros it is zero unless all zeros are the
 * element itself.
 */
const product: GradientRule = (call) => {
  const { o, g } = call;
  const [x] = call.x;
  return [
    () => {
      const axes = axesOf(call);
      const zero = o.cast(o.equal(x, 0), o.dtype(x));
      const filled = o.add(x, zero);
      const others = o.sub(o.reduceSum(zero, axes), zero);
      const rest = o.div(o.reduceProd(filled, axes), filled);
      return o.mul(o.mul(kept(call, g), rest), o.cast(o.equal(others, 0), o.dtype(x)));
    },
  ];
};

/** Rules of reductions. Results keep folded axes as ones: the walker broadcasts. */
export const reduce: GradientRules = {
  ReduceSum: (call) => [() => kept(call, call.g)],
  ReduceMean: (call) => [() => call.o.div(kept(call, call.g), folded(call))],
  ReduceMax: extremum,
  ReduceMin: extremum,
  ReduceSumSquare: (call) => [() => call.o.mul(call.o.mul(call.x[0], 2), kept(call, call.g))],
  ReduceL1: (call) => [() => call.o.mul(call.o.sign(call.x[0]), kept(call, call.g))],
  // x / |x|, taken as 0 at the origin.
  ReduceL2: (call) => [
    () => call.o.mul(call.x[0], call.o.div(kept(call, call.g), call.o.max(kept(call, call.y), 1e-30))),
  ],
  ReduceLogSumExp: (call) => [
    () => call.o.mul(call.o.exp(call.o.sub(call.x[0], kept(call, call.y))), kept(call, call.g)),
  ],
  ReduceLogSum: (call) => [() => call.o.mul(call.o.exp(call.o.neg(kept(call, call.y))), kept(call, call.g))],
  ReduceProd: product,
  // The running sum of the gradient, from the other end.
  CumSum: (call) => [
    () => {
      const { o, node, g } = call;
      const [exclusive, reverse] = [intOf(node, "exclusive", 0) === 1, intOf(node, "reverse", 0) === 0];
      return o.cumSum(g, (intsAt(call, 1) ?? [])[0] ?? 0, { exclusive, reverse });
    },
  ],
  Softmax: ({ o, node, y, g }) => [
    () => {
      const gy = o.mul(g, y);
      return o.sub(gy, o.mul(y, o.reduceSum(gy, [o.axis(y, intOf(node, "axis", -1))])));
    },
  ],
  LogSoftmax: ({ o, node, y, g }) => [
    () => o.sub(g, o.mul(o.exp(y), o.reduceSum(g, [o.axis(y, intOf(node, "axis", -1))]))),
  ],
};
