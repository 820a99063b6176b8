import type { Ops } from "onnx-grad";

/** A matrix `rows x columns`, row-major; linear maps of one image axis are built from these. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** A matrix from its entries. */
export function matrix(rows: number, columns: number, entry: (row: number, column: number) => number): Matrix {
  const data = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) data[row * columns + column] = entry(row, column);
  return { rows, columns, data };
}

/**
 * The filter with these taps (an odd number) along an axis of `size`; beyond the ends the edge is
 * repeated.
 */
export function filterMatrix(size: number, taps: readonly number[]): Matrix {
  const data = new Float64Array(size * size);
  const half = (taps.length - 1) / 2;
  for (let row = 0; row < size; row++)
    taps.forEach((tap, at) => {
      const column = Math.min(size - 1, Math.max(0, row + at - half));
      data[row * size + column] += tap;
    });
  return { rows: size, columns: size, data };
}

/**
 * Half the size by cubic interpolation without smoothing: four taps (a = -0.75) around each new
 * pixel's centre, edge repeated.
 */
export function halfMatrix(size: number): Matrix {
  const rows = Math.round(size / 2);
  const data = new Float64Array(rows * size);
  const scale = size / rows;
  const cubic = (x: number): number => {
    const [a, d] = [-0.75, Math.abs(x)];
    if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
    return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
  };
  for (let row = 0; row < rows; row++) {
    const centre = (row + 0.5) * scale - 0.5;
    for (let tap = Math.floor(centre) - 1; tap <= Math.floor(centre) + 2; tap++) {
      const column = row * size + Math.min(size - 1, Math.max(0, tap));
      data[column] += cubic(tap - centre);
    }
  }
  return { rows, columns: size, data };
}

/** Applies a map to both axes of images `[N, columns, columns]`: `m x m'`, `[N, rows, rows]`. */
export function onBothAxes(o: Ops, x: string, { rows, columns, data }: Matrix): string {
  const transposed = new Float32Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) transposed[column * rows + row] = data[row * columns + column];
  const across = o.matmul(x, o.floats(transposed, [columns, rows]));
  return o.matmul(o.floats(data, [rows, columns]), across);
}
