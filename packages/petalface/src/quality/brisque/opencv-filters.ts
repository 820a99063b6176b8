import type { GraphBuilder, Ops } from "onnx-grad";
import { halfMatrix, onBothAxes } from "../matrices.ts";

/**
 * OpenCV's filters, in the very order of its sums (version 5, FMA). Where an image is flat, its
 * local variance is rounding alone, and the sign of that decides which pixels BRISQUE counts:
 * another order moves the score of a saturated face by a point.
 */

/** Gaussian of deviation 7/6 over 7 pixels, sum 1. */
const gaussian = (() => {
  const taps = Array.from({ length: 7 }, (_, i) => Math.exp(-((i - 3) ** 2) / (2 * (7 / 6) ** 2)));
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return taps.map((tap) => tap / sum);
})();

/** Repeats the edges of `[N, rows, columns]`: counts before and after along each axis. */
const padEdge = (b: GraphBuilder, o: Ops, x: string, [top, left, bottom, right]: readonly number[]): string =>
  b.add("Pad", [x, o.ints([0, top ?? 0, left ?? 0, 0, bottom ?? 0, right ?? 0])], { mode: { string: "edge" } });

/**
 * Sums groups of rows of `[N, n, columns]`, each in the order given: one matrix product over the
 * interleaved rows, whose zeros change no sum.
 *
 * @param parts the first, second, ... summand of every sum, each `[N, rows, columns]`
 * @param factors one for each part
 */
function sumRows(b: GraphBuilder, o: Ops, parts: readonly string[], factors: readonly number[], rows: number): string {
  const [first = ""] = parts;
  const columns = o.dim(first, 2);
  const width = parts.length * rows;
  const stack = o.concat(
    parts.map((part) => o.unsqueeze(part, [2])),
    2,
  );
  const matrix = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++)
    factors.forEach((factor, at) => {
      matrix[row * width + row * parts.length + at] = factor;
    });
  return o.matmul(o.floats(matrix, [rows, width]), b.add("Reshape", [stack, o.ints([0, width, columns])]));
}

/**
 * Gaussian blur of `[N, size, size]`, 7 x 7, edges repeated: along rows tap after tap, along
 * columns from the middle outwards in pairs.
 */
export function blurred(b: GraphBuilder, o: Ops, x: string, size: number): string {
  const wide = size + 6;
  const matrix = new Float32Array(wide * size);
  for (let column = 0; column < size; column++)
    gaussian.forEach((tap, at) => {
      matrix[(column + at) * size + column] = tap;
    });
  const across = o.matmul(padEdge(b, o, x, [0, 3, 0, 3]), o.floats(matrix, [wide, size]));
  const padded = padEdge(b, o, across, [3, 0, 3, 0]);
  const at = (offset: number): string => o.slice(padded, [3 + offset], [3 + offset + size], [1]);
  const pairs = [at(0), ...[1, 2, 3].map((offset) => o.add(at(offset), at(-offset)))];
  return sumRows(b, o, pairs, gaussian.slice(3), size);
}

/** Half of `[N, size, size]` by cubic interpolation (INTER_CUBIC), edges repeated. */
export function halved(b: GraphBuilder, o: Ops, x: string, size: number): string {
  if (size % 2 !== 0) return onBothAxes(o, x, halfMatrix(size));
  const half = size / 2;
  const [outer, inner] = [-0.09375, 0.59375];
  const every = (padded: string, axis: number, start: number): string =>
    o.slice(padded, [start], [start + 2 * half - 1], [axis], [2]);
  const wide = padEdge(b, o, x, [0, 1, 0, 1]);
  const tap = (start: number, factor: number): string => o.mul(every(wide, 2, start), factor);
  const across = o.add(o.add(tap(0, outer), tap(1, inner)), o.add(tap(2, inner), tap(3, outer)));
  const high = padEdge(b, o, across, [1, 0, 1, 0]);
  const row = (start: number): string => every(high, 1, start);
  return o.add(
    sumRows(b, o, [row(1), row(0)], [inner, outer], half),
    sumRows(b, o, [row(3), row(2)], [outer, inner], half),
  );
}
