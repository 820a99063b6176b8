import { printShape, type Shape, sameDim, timesOf } from "../../graph/dim.ts";
import { itemAt } from "../../graph/item-at.ts";
import { axisOf } from "../../infer/call.ts";
import { padsOf, sliceArguments } from "../../infer/slice.ts";
import type { BatchPlace } from "../place.ts";
import { agree, first, type RowRule, type RowRules, table } from "./rule.ts";

const product = (dims: Shape): number => dims.reduce<number>((result, dim) => result * timesOf(dim), 1);

/**
 * A reshape keeps the row-major order of the elements, so what lies outside the batch and what lies
 * inside it keep their sizes. The open axis of the output has to be made of a whole outer part, the
 * batch and a whole inner part.
 */
function reshaped(from: Shape, to: Shape, { axis, outer, inner }: BatchPlace): BatchPlace | string {
  const at = to.findIndex((dim) => typeof dim !== "number");
  const before = (product(from.slice(0, axis)) * outer) / product(to.slice(0, at));
  const after = (inner * product(from.slice(axis + 1))) / product(to.slice(at + 1));
  return at >= 0 && Number.isInteger(before) && Number.isInteger(after)
    ? { axis: at, outer: before, inner: after }
    : `reshaping ${printShape(from)} to ${printShape(to)} cuts across the images`;
}

const reshape: RowRule = first(({ call, output }, place) => reshaped(call.shape(0), output, place));

const transpose: RowRule = first(({ call }, place) => {
  const rank = call.shape(0).length;
  const order = call.ints("perm") ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis);
  return { ...place, axis: order.findIndex((axis) => axisOf(call, axis, rank) === place.axis) };
});

/**
 * Parts joined along the batch are an outer part more each: copies of the batch, one after the
 * other.
 */
const concat: RowRule = ({ call, places, output }) => {
  const axis = axisOf(call, call.int("axis", 0), output.length);
  const { inner, axis: along } = itemAt(
    places.filter((place) => place !== undefined),
    0,
  );
  if (axis !== along) return agree(places);
  const parts = places.map((place, index): BatchPlace | string => {
    if (place !== undefined) return place.axis === axis && place.inner === inner ? place : "it mixes layouts of images";
    // The same for every image: it fits any layout that has its length.
    const part = call.shape(index)[axis] ?? 1;
    const outer = timesOf(part) / inner;
    return typeof part !== "number" && Number.isInteger(outer) ? { axis, outer, inner } : "it mixes layouts of images";
  });
  let outer = 0;
  for (const part of parts) {
    if (typeof part === "string") return part;
    outer += part.outer;
  }
  return { axis, inner, outer };
};

const split: RowRule = first(({ call }, place) => {
  if (axisOf(call, call.int("axis", 0), call.shape(0).length) !== place.axis) return place;
  const outer = place.outer / call.node.outputs.length;
  return Number.isInteger(outer) ? { ...place, outer } : "it splits the batch";
});

const slice: RowRule = first(({ call, output }, place) => {
  const { starts, axes, steps } = sliceArguments(call);
  const at = axes.indexOf(place.axis);
  if (at < 0) return place;
  const whole = sameDim(output[place.axis] ?? 0, call.shape(0)[place.axis] ?? 0);
  return whole && starts[at] === 0 && steps[at] === 1 ? place : "it picks from the images of the batch";
});

const pad: RowRule = first(({ call }, place) =>
  padsOf(call)[place.axis]?.every((count) => count === 0) ? place : "it pads the batch",
);

/** Repeats of the batch along its axis are an outer part. */
const tile: RowRule = first(({ call, output }, place) => {
  const repeats = timesOf(output[place.axis] ?? 0) / timesOf(call.shape(0)[place.axis] ?? 0);
  return { ...place, outer: place.outer * repeats };
});

const expand: RowRule = first(({ call, output }, place) => ({
  ...place,
  axis: place.axis + output.length - call.shape(0).length,
}));

const gather: RowRule = ({ call, places }) => {
  const [data, indices] = places;
  const axis = axisOf(call, call.int("axis", 0), call.shape(0).length);
  if (data === undefined) return indices === undefined ? "it has no images" : { ...indices, axis: axis + indices.axis };
  if (indices !== undefined) return "it picks by image from what depends on images";
  if (data.axis === axis) return "it picks from the images of the batch";
  return data.axis < axis ? data : { ...data, axis: data.axis + call.shape(1).length - 1 };
};

/** Reading and writing by index along one axis, element by element along the others. */
const elements: RowRule = ({ call, places, output }) => {
  const axis = axisOf(call, call.int("axis", 0), output.length);
  const place = agree(places);
  return typeof place !== "string" && place.axis === axis ? "it picks from the images of the batch" : place;
};

/** Operators that move, join and cut. */
export const movingRows: RowRules = {
  ...table("Reshape Flatten Squeeze Unsqueeze", reshape),
  ...table("GatherElements ScatterElements", elements),
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Tile: tile,
  Expand: expand,
  Gather: gather,
};
