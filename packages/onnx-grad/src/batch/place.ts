import type { Dim, Shape } from "../graph/dim.ts";

/**
 * Where the open batch lies in a value: axis `axis` runs over `outer * batch * inner` elements in
 * this order, so that an axis of windows of each image has `inner` windows, and an axis of images
 * of each part has `outer` parts.
 */
export interface BatchPlace {
  readonly axis: number;
  readonly outer: number;
  readonly inner: number;
}

const product = (dims: readonly number[]): number => dims.reduce((result, dim) => result * dim, 1);

/** Axis of the open dimension, or -1. */
export const openAxis = (shape: Shape): number => shape.findIndex((dim) => typeof dim !== "number");

/**
 * Where the batch lies after a reshape from `from` to `to`, both with the old fixed `batch`. A
 * reshape keeps the order of elements, so the number of elements outside and inside the batch stay
 * the same; an axis of `to` that is made of some outer part, the batch and some inner part is its
 * place. Axes of 1 can leave a choice: then the axis with nothing else in it is taken, the foremost
 * if there are several. Undefined if there is no place.
 */
export function placeAfterReshape(
  from: readonly number[],
  to: readonly number[],
  place: BatchPlace,
  batch: number,
): BatchPlace | undefined {
  const before = product(from.slice(0, place.axis)) * place.outer;
  const after = product(from.slice(place.axis + 1)) * place.inner;
  const candidates: BatchPlace[] = [];
  to.forEach((dim, axis) => {
    const outer = before / product(to.slice(0, axis));
    const inner = after / product(to.slice(axis + 1));
    const whole = Number.isInteger(outer) && Number.isInteger(inner) && outer * inner > 0;
    if (whole && outer * batch * inner === dim) candidates.push({ axis, outer, inner });
  });
  const size = ({ outer, inner }: BatchPlace): number => outer * inner;
  const smallest = Math.min(...candidates.map(size));
  return candidates.find((candidate) => size(candidate) === smallest);
}

/** A shape with the batch at its place left open. */
export const withOpenBatch = (shape: readonly number[], place: BatchPlace, symbol: string): Dim[] =>
  shape.map((dim, axis) => (axis === place.axis ? { symbol, times: place.outer * place.inner } : dim));
