import { PetalfaceError } from "../errors.ts";

/**
 * Embeddings of unit length, row by row; in memory or in a file. Scores of rows of another length
 * are products, not cosines.
 */
export interface RowSource {
  readonly count: number;
  /** Length of one row. */
  readonly width: number;
  /**
   * Rows `start` to `start + count`, row-major. The caller does not write into it, and it holds
   * until the next call only.
   */
  read(start: number, count: number): Promise<Float32Array>;
}

/** Rows that are in memory already; nothing is copied. */
export function rowsOf(data: Float32Array, width: number): RowSource {
  if (!Number.isInteger(width) || width < 1 || data.length % width !== 0)
    throw new PetalfaceError("PETAL_ARGUMENT_INVALID", `${data.length} numbers are no rows of ${width}`);
  return {
    count: data.length / width,
    width,
    read: async (start, count) => data.subarray(start * width, (start + count) * width),
  };
}

/** Whether somebody wants the work to stop, and how far it is. */
export interface WorkOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called now and then with the share of the work that is done, in [0, 1]. */
  readonly onProgress?: ((share: number) => void) | undefined;
}
