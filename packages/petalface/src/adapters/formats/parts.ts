import { itemAt } from "onnx-grad";
import type { Slot } from "../layout.ts";

/** A low-rank tensor as PyTorch's modules have it, in memory. */
export interface LowRankTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** One that shares its memory with no other. */
export type OwnTensor = LowRankTensor & { readonly data: Float32Array<ArrayBuffer> };

/**
 * A low-rank tensor of theta cut into the parts of its gate, each in the shape of a PyTorch module
 * of its own: `[rank, in]` and `[out, rank]`; with kernels for convolutions.
 */
export function partsOf(slot: Slot, theta: Float32Array, parts: number, isConv: boolean): OwnTensor[] {
  const { role, dims, offset, length } = slot;
  const values = theta.subarray(offset, offset + length);
  const rank = itemAt(dims, role === "down" ? 0 : 1) / parts;
  const rows = role === "down" ? 1 : itemAt(dims, 0);
  const own = role === "down" ? [rank, ...dims.slice(1)] : [rows, rank];
  // A layout keeps 1x1 kernels without their two sides.
  const shape = isConv && own.length === 2 ? [...own, 1, 1] : own;
  const width = length / parts / rows;
  return Array.from({ length: parts }, (_, part) => ({ shape, data: columnsOf(values, rows, part * width, width) }));
}

/** `count` columns of a matrix of `rows` rows, from column `start` on. */
function columnsOf(matrix: Float32Array, rows: number, start: number, count: number): Float32Array<ArrayBuffer> {
  const width = matrix.length / rows;
  const columns = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++)
    columns.set(matrix.subarray(row * width + start, row * width + start + count), row * count);
  return columns;
}

/**
 * The reverse of {@link partsOf}: parts side by side in the columns of `rows` rows; with one row
 * that is one after the other.
 */
export function joinParts(target: Float32Array, parts: readonly Float32Array[], rows: number): void {
  const width = target.length / rows;
  let column = 0;
  for (const part of parts) {
    const own = part.length / rows;
    for (let row = 0; row < rows; row++) target.set(part.subarray(row * own, (row + 1) * own), row * width + column);
    column += own;
  }
}
