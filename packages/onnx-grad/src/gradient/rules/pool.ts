import { productOf } from "../../build/ops.ts";
import { intOf, intsOf, stringOf } from "../../graph/attributes.ts";
import type { Dim } from "../../graph/dim.ts";
import { itemAt, tupleOf } from "../../graph/item-at.ts";
import { back, type Taps } from "./along.ts";
import { cannot, type GradientCall, type GradientRules, known } from "./rule.ts";

const places = (x: string, { o }: GradientCall): number[] => [...Array(o.rank(x)).keys()].slice(2);

/**
 * Padding before and after an axis of which a window makes `narrow` out of `wide` places; `reach`
 * is its extent.
 */
function padding(call: GradientCall, i: number, n: number, reach: number): [before: number, after: number] {
  const { o, node, x, y } = call;
  const auto = stringOf(node, "auto_pad", "NOTSET");
  const pads = intsOf(node, "pads") ?? Array<number>(2 * n).fill(0);
  if (!auto.startsWith("SAME")) return auto === "VALID" ? [0, 0] : [itemAt(pads, i), itemAt(pads, i + n)];
  const [wide, narrow] = tupleOf(
    [x[0], y].map((value) => known(node, o.shape(value)[i + 2])),
    2,
  );
  // Negative where strides skip the end: onnxruntime then crops on both sides.
  const total = (narrow - 1) * (intsOf(node, "strides")?.[i] ?? 1) + reach - wide;
  const before = Math.trunc((auto === "SAME_UPPER" ? total : total + 1) / 2);
  return [before, total - before];
}

/**
 * What a place along spatial axis `i` of an AveragePool reads, with weights: the mean over a box is
 * the mean along one axis after the other. Padding counts with `count_include_pad`; positions that
 * ceil_mode adds beyond it never count.
 */
function averaged(call: GradientCall, i: number, kernel: readonly number[]): (place: number) => Taps {
  const { o, node, x } = call;
  const wide = known(node, o.shape(x[0])[i + 2]);
  const stride = intsOf(node, "strides")?.[i] ?? 1;
  const dilation = intsOf(node, "dilations")?.[i] ?? 1;
  const size = itemAt(kernel, i);
  const [before, after] = padding(call, i, kernel.length, (size - 1) * dilation + 1);
  const include = intOf(node, "count_include_pad", 0) === 1;
  return (place) => {
    const all = Array.from({ length: size }, (_, tap) => place * stride - before + tap * dilation);
    const read = all.filter((at) => at >= 0 && at < wide);
    const count = include ? all.filter((at) => at < wide + after).length : read.length;
    return read.map((at) => [at, 1 / count] as const);
  };
}

/** Rules of pooling. */
export const pool: GradientRules = {
  AveragePool: (call) => {
    const { o, node, x, g } = call;
    const kernel = intsOf(node, "kernel_shape") ?? [];
    return [
      () =>
        kernel.reduceRight(
          (value, _, i) => back(o, node, value, i + 2, known(node, o.shape(x[0])[i + 2]), averaged(call, i, kernel)),
          g,
        ),
    ];
  },
  GlobalAveragePool: (call) => {
    const { o, node, g } = call;
    const [x] = call.x;
    return [() => o.div(g, known(node, productOf(o.shape(x).slice(2))))];
  },
  GlobalMaxPool: (call) => {
    const { o, y, g } = call;
    const [x] = call.x;
    return [
      () => {
        const mask = o.cast(o.equal(x, y), o.dtype(x));
        return o.mul(mask, o.div(g, o.reduceSum(mask, places(x, call))));
      },
    ];
  },
  // The walker makes MaxPool put out where in the flat input each maximum lies.
  MaxPool: ({ o, node, x: [x], g }) => [
    () => {
      if (intOf(node, "storage_order", 0) !== 0) throw cannot(node, "storage_order 1 has no gradient here");
      const size: Dim = productOf(o.shape(x));
      const indices = o.flat(itemAt(node.outputs, 1));
      return o.reshape(o.scatterAddElements(o.full(0, [size], o.flat(x)), indices, o.flat(g)), o.shape(x));
    },
  ],
};
