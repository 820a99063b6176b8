import type { Dim } from "../dim.ts";
import type { Node } from "../graph.ts";
import { filled, type Ops, productOf } from "../ops.ts";
import { cannot, known } from "./rule.ts";

/** What one place of an output axis reads: places of the input axis and their weights. */
export type Taps = readonly (readonly [place: number, weight: number])[];

/** A matrix with more elements than this (64 MiB of floats) is not built. */
const largestMatrix = 2 ** 24;

/**
 * The gradient of a linear map along one axis, where place i of the output is a weighted sum of the input's `length` places
 * by `taps(i)`: the product with the map's transpose. `node` is whom errors name.
 */
export function back(
  o: Ops,
  node: Node,
  g: string,
  axis: number,
  length: number,
  taps: (place: number) => Taps,
): string {
  const shape = o.shape(g);
  const count = known(node, shape[axis]);
  if (count * length > largestMatrix) throw cannot(node, `an axis is too long for it (${count} from ${length} places)`);
  const last = axis === shape.length - 1;
  const matrix = filled(0, last ? [count, length] : [length, count], o.dtype(g));
  let same = count === length;
  for (let i = 0; i < count; i++) {
    const each = taps(i);
    same &&= each.every(([place, weight]) => (place === i ? weight === 1 : weight === 0));
    for (const [place, weight] of each) {
      const at = last ? i * length + place : place * count + i;
      matrix.data[at] = (matrix.data[at] as number) + weight;
    }
  }
  if (same) return g;
  const map = o.builder.constant(matrix, "map");
  if (last) return o.matmul(g, map);
  const before: Dim = productOf(shape.slice(0, axis));
  const flat = o.reshape(g, [before, count, productOf(shape.slice(axis + 1))]);
  return o.reshape(
    o.matmul(map, flat),
    shape.map((dim, i) => (i === axis ? length : dim)),
  );
}
