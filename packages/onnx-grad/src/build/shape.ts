import { isStatic, printShape, type Shape, sameDim, sameShape } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import { filled, ints, type Values } from "./values.ts";

/**
 * Operators that change the shape of a value alone.
 *
 * @param where chooses between two values
 */
export function shaping(
  { builder: b, shape, rank, dtype, scalar, intern, ints: vector }: Values,
  where: (condition: string, x: string, y: string) => string,
) {
  const transpose = (x: string, perm: readonly number[]): string =>
    perm.every((from, to) => from === to) ? x : b.add("Transpose", [x], { perm: ints(perm) });

  /**
   * Where a dimension is open it is copied from the same place of `x`, or left to ONNX's -1 (once).
   */
  const reshape = (x: string, to: Shape): string => {
    const from = shape(x);
    if (sameShape(from, to)) return x;
    let open = 0;
    const target = to.map((dim, i) => {
      if (typeof dim === "number") return dim;
      const here = from[i];
      if (here !== undefined && sameDim(here, dim)) return 0;
      open++;
      return -1;
    });
    if (open > 1)
      throw new OnnxGradError(`cannot reshape ${printShape(from)} to ${printShape(to)}: two open dimensions`);
    return b.add("Reshape", [x, vector(target)]);
  };

  /**
   * Broadcasts `x` to `to`; `like` is a value of that shape, used where an open dimension has to
   * come from somewhere.
   */
  const expand = (x: string, to: Shape, like?: string): string => {
    const from = shape(x);
    if (sameShape(from, to)) return x;
    const offset = to.length - from.length;
    const target: number[] = [];
    for (const [i, dim] of to.entries()) {
      const here = from[i - offset];
      if (typeof dim === "number") target.push(dim);
      else if (here !== undefined && sameDim(here, dim)) target.push(1);
    }
    if (target.length === to.length) return b.add("Expand", [x, vector(target)]);
    if (like === undefined) throw new OnnxGradError(`cannot expand ${printShape(from)} to ${printShape(to)}`);
    return where(
      intern("false", () => filled(0, [], "bool"), "false"),
      like,
      x,
    );
  };

  return {
    /** A tensor of one number in the dtype of `like`. Throws if the shape is open. */
    full: (value: number, to: Shape, like: string): string => {
      if (!isStatic(to)) return expand(scalar(value, dtype(like)), to, like);
      return intern(`full ${dtype(like)} ${value} ${to.join()}`, () => filled(value, to, dtype(like)), "full");
    },

    transpose,
    /** Swaps the last two axes. */
    swap: (x: string): string => {
      const n = rank(x);
      return transpose(x, [...Array(n - 2).keys(), n - 1, n - 2]);
    },
    reshape,
    /** Joins all axes. */
    flat: (x: string): string => (rank(x) === 1 ? x : b.add("Reshape", [x, vector([-1])])),
    squeeze: (x: string, axes: readonly number[]): string => b.add("Squeeze", [x, vector(axes)]),
    unsqueeze: (x: string, axes: readonly number[]): string => b.add("Unsqueeze", [x, vector(axes)]),
    expand,
    tile: (x: string, repeats: readonly number[]): string =>
      repeats.every((count) => count === 1) ? x : b.add("Tile", [x, vector(repeats)]),
  };
}
