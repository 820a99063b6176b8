import { OnnxGradError } from "./errors.ts";
import { itemAt } from "./item-at.ts";

/**
 * One dimension of a shape: a number, or a whole multiple of the one symbol that may be left open,
 * the batch. `{ symbol: "N", times: 25 }` reads "25 N".
 */
export type Dim = number | SymbolicDim;

/** A multiple of the open batch size. */
export interface SymbolicDim {
  readonly symbol: string;
  readonly times: number;
}

/** A shape whose leading (or any other) dimension may be open. */
export type Shape = readonly Dim[];

/** Whether every dimension is a number. */
export const isStatic = (shape: Shape): shape is readonly number[] => shape.every((dim) => typeof dim === "number");

/** The dimensions of a shape, which must all be numbers. Throws OnnxGradError where one is open. */
export function staticDims(shape: Shape): readonly number[] {
  if (!isStatic(shape))
    throw new OnnxGradError(`shape ${printShape(shape)} is open; fix the batch with setBatch first`);
  return shape;
}

/** Whether two dimensions are the same, symbols included. */
export const sameDim = (a: Dim, b: Dim): boolean =>
  typeof a === "number" || typeof b === "number" ? a === b : a.symbol === b.symbol && a.times === b.times;

/** Whether two shapes are the same, symbols included. */
export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((dim, axis) => sameDim(dim, itemAt(b, axis)));

/** `dim` times a whole number. */
export const timesDim = (dim: Dim, factor: number): Dim =>
  typeof dim === "number" ? dim * factor : { symbol: dim.symbol, times: dim.times * factor };

/** A dimension with one image where the batch is open. */
export const timesOf = (dim: Dim): number => (typeof dim === "number" ? dim : dim.times);

/** The dimension as ONNX writes it: a number or a name such as `N` or `25*N`. */
export const printDim = (dim: Dim): string =>
  typeof dim === "number" ? String(dim) : dim.times === 1 ? dim.symbol : `${dim.times}*${dim.symbol}`;

/** A shape for messages: `[N, 3, 112, 112]`. */
export const printShape = (shape: Shape): string => `[${shape.map(printDim).join(", ")}]`;
