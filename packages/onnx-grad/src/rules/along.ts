import type { Dim } from "../dim.ts";
import type { Node } from "../graph.ts";
import { filled, type Ops, productOf } from "../ops.ts";
import { cannot } from "./rule.ts";

/** What one place of an output axis reads: places of the input axis and their weights. */
export type Taps = readonly (readonly [place: number, weight: number])[];

/** A matrix with more elements than this (64 MiB of floats) is not built. */
const largestMatrix = 2 ** 24;

/**
 * The gradient of a linear map along one axis, where output place i is a weighted sum of `taps[i]` of the input's
 * `length` places: the product with the map's transpose. Of `node` errors tell.
 */
export function back(o: Ops, node: Node, g: string, axis: number, length: number, taps: readonly Taps[]): string {
  const count = taps.length;
  if (count === length && taps.every(([tap, ...more], i) => more.length === 0 && tap?.[0] === i && tap[1] === 1))
    return g;
  if (count * length > largestMatrix) throw cannot(node, `an axis is too long for it (${count} from ${length} places)`);
  const shape = o.shape(g);
  const last = axis === shape.length - 1;
  const matrix = filled(0, last ? [count, length] : [length, count], o.dtype(g));
  taps.forEach((each, i) => {
    for (const [place, weight] of each) {
      const at = last ? i * length + place : place * count + i;
      matrix.data[at] = (matrix.data[at] as number) + weight;
    }
  });
  const map = o.builder.constant(matrix, "map");
  if (last) return o.matmul(g, map);
  const before: Dim = productOf(shape.slice(0, axis));
  const flat = o.reshape(g, [before, count, productOf(shape.slice(axis + 1))]);
  return o.reshape(
    o.matmul(map, flat),
    shape.map((dim, i) => (i === axis ? length : dim)),
  );
}
