import { type Dim, type Shape, sameDim } from "../graph/dim.ts";

/** A number of elements: `times * symbol^power`. */
export interface Size {
  readonly times: number;
  readonly power: number;
  readonly symbol: string;
}

/**
 * The number of elements of a shape, open batch included; undefined if it holds two different
 * symbols.
 */
export function sizeOfShape(shape: Shape): Size | undefined {
  let times = 1;
  let power = 0;
  let symbol = "";
  for (const dim of shape) {
    if (typeof dim === "number") times *= dim;
    else {
      if (power > 0 && dim.symbol !== symbol) return undefined;
      symbol = dim.symbol;
      times *= dim.times;
      power++;
    }
  }
  return { times, power, symbol };
}

/** Whether two sizes are equal for every batch. */
export const sameSize = (a: Size, b: Size): boolean =>
  a.times === b.times && (a.times === 0 || (a.power === b.power && (a.power === 0 || a.symbol === b.symbol)));

/** The dimension `whole / part`, or undefined if it is not a whole multiple of one or the batch. */
export function divideSizes(whole: Size, part: Size): Dim | undefined {
  const power = whole.power - part.power;
  if (part.times === 0 || whole.times % part.times !== 0 || power < 0 || power > 1) return undefined;
  if (part.power > 0 && part.symbol !== whole.symbol) return undefined;
  const times = whole.times / part.times;
  return power === 0 ? times : { symbol: whole.symbol, times };
}

/** The dimension that two broadcast dimensions give, or undefined if they do not fit. */
export function broadcastDim(a: Dim, b: Dim): Dim | undefined {
  if (a === 1) return b;
  if (b === 1 || sameDim(a, b)) return a;
  return undefined;
}

/** The shape that numpy broadcasting gives, or undefined if the shapes do not fit. */
export function broadcast(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const result: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const dim = broadcastDim(a[axis - rank + a.length] ?? 1, b[axis - rank + b.length] ?? 1);
    if (dim === undefined) return undefined;
    result.push(dim);
  }
  return result;
}

/** `a + b`, or undefined where a sum of a number and the open batch would be needed. */
export function addDims(a: Dim, b: Dim): Dim | undefined {
  if (a === 0) return b;
  if (b === 0) return a;
  if (typeof a === "number" && typeof b === "number") return a + b;
  if (typeof a === "number" || typeof b === "number" || a.symbol !== b.symbol) return undefined;
  return { symbol: a.symbol, times: a.times + b.times };
}

/** `dim / divisor` where it is whole. */
export function divideDim(dim: Dim, divisor: number): Dim | undefined {
  const times = typeof dim === "number" ? dim : dim.times;
  if (divisor === 0 || times % divisor !== 0) return undefined;
  return typeof dim === "number" ? dim / divisor : { symbol: dim.symbol, times: dim.times / divisor };
}
