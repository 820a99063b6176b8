import { isStatic } from "../graph/dim.ts";
import { dtypeCode } from "../graph/dtypes.ts";
import { int64, sizeOf } from "../graph/tensor.ts";
import { int, type Values } from "./values.ts";

/** Operators along axes: sums and others of them, softmax, running sums. */
export function reducing({ builder: b, shape, dtype, scalar, intern, ints: vector }: Values) {
  const reduce =
    (op: string) =>
    (x: string, axes: readonly number[] = shape(x).map((_, i) => i), keepdims = true): string =>
      axes.length === 0 ? x : b.add(op, [x, vector(axes)], { keepdims: int(keepdims ? 1 : 0) });

  return {
    reduceSum: reduce("ReduceSum"),
    reduceMean: reduce("ReduceMean"),
    reduceMax: reduce("ReduceMax"),
    reduceMin: reduce("ReduceMin"),
    reduceProd: reduce("ReduceProd"),
    reduceL1: reduce("ReduceL1"),
    reduceL2: reduce("ReduceL2"),
    reduceSumSquare: reduce("ReduceSumSquare"),
    softmax: (x: string, along = -1): string => b.add("Softmax", [x], { axis: int(along) }),
    /**
     * Running sums along an axis: of the elements before only, if `exclusive`; from the end, if
     * `reverse`.
     */
    cumSum: (x: string, along: number, options: { exclusive?: boolean; reverse?: boolean } = {}): string =>
      b.add("CumSum", [x, intern(`int ${along}`, () => int64(along), "axis")], {
        exclusive: int(Number(options.exclusive ?? false)),
        reverse: int(Number(options.reverse ?? false)),
      }),
    logSoftmax: (x: string, along = -1): string => b.add("LogSoftmax", [x], { axis: int(along) }),
    /** The number of elements of `x`, as a scalar of its dtype, whatever the open dimension is. */
    count: (x: string): string => {
      const all = shape(x);
      if (isStatic(all)) return scalar(sizeOf(all), dtype(x));
      return b.add("Cast", [b.add("Size", [x])], { to: int(dtypeCode(dtype(x))) });
    },
  };
}
