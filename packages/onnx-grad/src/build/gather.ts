import { itemAt } from "../graph/item-at.ts";
import { int, type Values } from "./values.ts";

/** Operators that take, join and place parts of values. */
export function gathering({ builder: b, shape, ints: vector }: Values) {
  const slice = (
    x: string,
    starts: readonly number[],
    ends: readonly number[],
    axes: readonly number[],
    steps: readonly number[] = axes.map(() => 1),
  ): string => b.add("Slice", [x, ...[starts, ends, axes, steps].map(vector)]);

  return {
    concat: (values: readonly string[], along: number): string =>
      values.length === 1 ? itemAt(values, 0) : b.add("Concat", values, { axis: int(along) }),
    /** Cuts `x` along an axis into pieces of these sizes. */
    split: (x: string, sizes: readonly number[], along = 0): string[] =>
      b.addAll("Split", [x, vector(sizes)], { axis: int(along) }, { outputs: sizes.length }),
    slice,
    /** Mirrors `x` along axes of known length. */
    flip: (x: string, axes: readonly number[]): string => {
      const flipped = axes.filter((a) => shape(x)[a] !== 1);
      if (flipped.length === 0) return x;
      const far = -(2 ** 31);
      return slice(
        x,
        flipped.map(() => -1),
        flipped.map(() => far),
        flipped,
        flipped.map(() => -1),
      );
    },
    /** Zeros around `x`: all starts, then all ends. Negative counts crop. */
    pad: (x: string, pads: readonly number[]): string =>
      pads.every((count) => count === 0) ? x : b.add("Pad", [x, vector(pads)]),
    gather: (x: string, indices: string, along = 0): string => b.add("Gather", [x, indices], { axis: int(along) }),
    gatherElements: (x: string, indices: string, along = 0): string =>
      b.add("GatherElements", [x, indices], { axis: int(along) }),
    gatherNd: (x: string, indices: string): string => b.add("GatherND", [x, indices]),
    /** `x` with `updates` in place of what is at `indices` along an axis. */
    scatterElements: (x: string, indices: string, updates: string, along = 0): string =>
      b.add("ScatterElements", [x, indices, updates], { axis: int(along) }),
    /** `x` with rows of `updates` in place of those at `indices` [..., depth]. */
    scatterRows: (x: string, indices: string, updates: string): string => b.add("ScatterND", [x, indices, updates]),
    /** `x` with `updates` added at `indices` along an axis; indices may repeat. */
    scatterAddElements: (x: string, indices: string, updates: string, along = 0): string =>
      b.add("ScatterElements", [x, indices, updates], { axis: int(along), reduction: { string: "add" } }),
    /** `x` with rows of `updates` added at `indices` [..., depth]; indices may repeat. */
    scatterAddRows: (x: string, indices: string, updates: string): string =>
      b.add("ScatterND", [x, indices, updates], { reduction: { string: "add" } }),
  };
}
