import { filled, type Ops, productOf } from "../../build/ops.ts";
import type { Dim } from "../../graph/dim.ts";
import type { Node } from "../../graph/graph.ts";
import { itemAt } from "../../graph/item-at.ts";
import { cannot, known } from "./rule.ts";

/** What one place of an output axis reads: places of the input axis and their weights. */
export type Taps = readonly (readonly [place: number, weight: number])[];

/** A matrix with more elements than this (64 MiB of floats) is not built. */
const largestMatrix = 2 ** 24;

/**
 * The step in which every output place reads a block of its own, all with one weight; undefined if
 * they do otherwise.
 */
function blocks(taps: readonly Taps[], length: number): number | undefined {
  const step = length / taps.length;
  const [[, weight] = [0, 0]] = taps[0] ?? [];
  const own = (each: Taps, i: number) =>
    each.length === step && each.every((tap, j) => tap[0] === i * step + j && tap[1] === weight);
  return step > 1 && taps.every(own) ? step : undefined;
}

/**
 * The step in which every input place is read, as it is, by a block of output places; undefined if
 * they do otherwise.
 */
function repeats(taps: readonly Taps[], length: number): number | undefined {
  const step = taps.length / length;
  const own = (each: Taps, i: number) => {
    const read = each.filter(([, weight]) => weight !== 0);
    return read.length === 1 && read[0]?.[0] === Math.floor(i / step) && read[0][1] === 1;
  };
  return Number.isInteger(step) && taps.every(own) ? step : undefined;
}

/**
 * The gradient of a linear map along one axis, where place i of the output is a weighted sum of the
 * input's `length` places by `taps(i)`: the product with the map's transpose, or a copy or sum of
 * blocks where that is all it does. `node` is the one that errors name.
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
  const all = Array.from({ length: count }, (_, i) => taps(i));
  const to = shape.map((dim, i) => (i === axis ? length : dim));
  const apart = (...parts: number[]) => [...shape.slice(0, axis), ...parts, ...shape.slice(axis + 1)];

  const sum = repeats(all, length);
  if (sum === 1) return g;
  if (sum !== undefined) return o.reduceSum(o.reshape(g, apart(length, sum)), [axis + 1], false);
  // Copies of single numbers are cheaper through the product.
  const copies = axis === shape.length - 1 ? undefined : blocks(all, length);
  if (copies !== undefined) {
    const weight = itemAt(itemAt(all, 0), 0)[1];
    const tall = o.tile(
      o.unsqueeze(o.mul(g, weight), [axis + 1]),
      apart(1, copies).map((_, i) => (i === axis + 1 ? copies : 1)),
    );
    return o.reshape(tall, to);
  }

  const last = axis === shape.length - 1;
  const matrix = filled(0, last ? [count, length] : [length, count], o.dtype(g));
  const { dtype, data } = matrix;
  if (dtype !== "float32" && dtype !== "float64") throw cannot(node, `its gradient is of ${dtype}`);
  all.forEach((each, i) => {
    for (const [place, weight] of each) {
      const at = last ? i * length + place : place * count + i;
      data[at] = itemAt(data, at) + weight;
    }
  });
  const map = o.builder.constant(matrix, "map");
  if (last) return o.matmul(g, map);
  const before: Dim = productOf(shape.slice(0, axis));
  return o.reshape(o.matmul(map, o.reshape(g, [before, count, productOf(shape.slice(axis + 1))])), to);
}
