import type { Dim } from "../graph/dim.ts";
import { itemAt } from "../graph/item-at.ts";
import { sizeOf } from "../graph/tensor.ts";
import { axisOf, type ShapeCall } from "../infer/call.ts";
import { sliceArguments, sliceRange } from "../infer/slice.ts";
import { isNumeric, type Known } from "./values.ts";

/**
 * Elements of a result of shape `to`, each taken from the place in `from` (one entry per axis of
 * it) that `source` tells.
 */
function pick(from: Known, to: readonly number[], source: (index: readonly number[]) => readonly number[]): Dim[] {
  const index = to.map(() => 0);
  return Array.from({ length: sizeOf(to) }, () => {
    const place = source(index).reduce((sum, at, axis) => sum * from.dims[axis] + at, 0);
    for (let axis = to.length - 1; axis >= 0; axis--) {
      index[axis] += 1;
      if (index[axis] < to[axis]) break;
      index[axis] = 0;
    }
    return from.values[place];
  });
}

/** The elements of a Transpose. */
export function transposeKnown(call: ShapeCall, data: Known, to: readonly number[]): Dim[] {
  const perm = call.ints("perm") ?? to.map((_, axis) => to.length - 1 - axis);
  const place = data.dims.map((_, axis) => perm.indexOf(axis));
  return pick(data, to, (index) => place.map((axis) => index[axis]));
}

/** The elements of a Slice. */
export function sliceKnown(call: ShapeCall, data: Known, to: readonly number[]): Dim[] {
  const { starts, ends, axes, steps } = sliceArguments(call);
  const ranges = data.dims.map((size) => ({ start: 0, step: 1, count: size }));
  axes.forEach((axis, i) => {
    ranges[axis] = sliceRange(data.dims[axis], starts[i], ends[i], steps[i]);
  });
  return pick(data, to, (index) => ranges.map(({ start, step }, axis) => start + step * index[axis]));
}

/**
 * The elements of a Gather, or undefined while an index is unknown. Throws if one is out of range.
 */
export function gatherKnown(call: ShapeCall, data: Known, indices: Known, to: readonly number[]): Dim[] | undefined {
  if (!isNumeric(indices)) return undefined;
  const axis = axisOf(call, call.int("axis", 0), data.dims.length);
  const size = data.dims[axis];
  const wanted = indices.values.map((index) => {
    if (index < -size || index >= size) call.fail(`index ${index} is outside its input of ${size} elements`);
    return index < 0 ? index + size : index;
  });
  const rank = indices.dims.length;
  return pick(data, to, (index) => {
    const which = indices.dims.reduce((sum, dim, at) => sum * dim + index[axis + at], 0);
    return [...index.slice(0, axis), wanted[which], ...index.slice(axis + rank)];
  });
}

/** The elements of a Concat. */
export function concatKnown(call: ShapeCall, parts: readonly Known[]): Dim[] {
  const first = itemAt(parts, 0);
  const axis = axisOf(call, call.int("axis", 0), first.dims.length);
  const rows = sizeOf(first.dims.slice(0, axis));
  const widths = parts.map((part) => sizeOf(part.dims.slice(axis)));
  return Array.from({ length: rows }, (_, row) =>
    parts.flatMap((part, i) => {
      const width = widths[i];
      return part.values.slice(row * width, (row + 1) * width);
    }),
  ).flat();
}
