import { drawer } from "../skeleton/statistics.ts";

/** The largest singular values of a matrix, with their vectors as rows. */
export interface Principal {
  /** Descending. */
  readonly values: Float64Array;
  /** `[rank, rows]` and `[rank, columns]`, row-major. */
  readonly left: Float64Array;
  readonly right: Float64Array;
}

/** Rounds of the iteration, and vectors beyond those that are wanted. */
const [rounds, beyond] = [40, 8];

/**
 * The largest singular values of a matrix `[rows, columns]` by subspace iteration (Halko et al.
 * 2011, algorithm 4.4), then exactly within the subspace. Where values lie close together, the
 * vectors span nearly the principal subspace.
 *
 * @param rank at most the smaller of rows and columns
 */
export function principal(matrix: ArrayLike<number>, rows: number, columns: number, rank: number): Principal {
  const count = Math.min(rank + beyond, rows, columns);
  const draw = drawer(1);
  let right: Float64Array = Float64Array.from({ length: count * columns }, () => draw() - 0.5);
  let left: Float64Array = new Float64Array(0);
  for (let round = 0; round < rounds; round++) {
    left = orthonormal(timesRows(matrix, rows, columns, right, count), count, rows);
    right = orthonormal(timesColumns(matrix, rows, columns, left, count), count, columns);
  }
  // Eigenvalues of the small Gram matrix of the images are the singular values, squared.
  const images = timesRows(matrix, rows, columns, right, count);
  const { values, vectors } = symmetric(gram(images, count, rows), count);
  const order = Array.from(values.keys()).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0));
  const chosen = order.slice(0, rank);
  const found = Float64Array.from(chosen, (at) => Math.sqrt(Math.max(0, values[at] ?? 0)));
  const combine = (basis: Float64Array, width: number, divided: boolean): Float64Array => {
    const out = new Float64Array(chosen.length * width);
    chosen.forEach((at, row) => {
      const factor = divided ? 1 / Math.max(found[row] ?? 0, 1e-30) : 1;
      for (let i = 0; i < count; i++) {
        const weight = factor * vectors[i * count + at];
        for (let j = 0; j < width; j++) out[row * width + j] += weight * basis[i * width + j];
      }
    });
    return out;
  };
  return { values: found, left: combine(images, rows, true), right: combine(right, columns, false) };
}

/** Of each row v of `vectors` the product `matrix v`. */
function timesRows(m: ArrayLike<number>, rows: number, columns: number, vectors: Float64Array, count: number) {
  const out = new Float64Array(count * rows);
  for (let v = 0; v < count; v++)
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      for (let j = 0; j < columns; j++) sum += m[i * columns + j] * vectors[v * columns + j];
      out[v * rows + i] = sum;
    }
  return out;
}

/** Of each row v of `vectors` the product `transposed matrix v`. */
function timesColumns(m: ArrayLike<number>, rows: number, columns: number, vectors: Float64Array, count: number) {
  const out = new Float64Array(count * columns);
  for (let v = 0; v < count; v++)
    for (let i = 0; i < rows; i++) {
      const factor = vectors[v * rows + i];
      for (let j = 0; j < columns; j++) out[v * columns + j] += factor * m[i * columns + j];
    }
  return out;
}

/** Rows made orthonormal (Gram and Schmidt, twice); a row that depends on others becomes zero. */
function orthonormal(vectors: Float64Array, count: number, width: number): Float64Array {
  const row = (at: number): Float64Array => vectors.subarray(at * width, (at + 1) * width);
  for (let v = 0; v < count; v++) {
    const own = row(v);
    const before = Math.hypot(...own);
    for (let pass = 0; pass < 2; pass++)
      for (let other = 0; other < v; other++) {
        const against = row(other);
        const along = own.reduce((sum, value, i) => sum + value * against[i], 0);
        for (let i = 0; i < width; i++) own[i] -= along * against[i];
      }
    const length = Math.hypot(...own);
    const factor = length > 1e-10 * before ? 1 / length : 0;
    for (let i = 0; i < width; i++) own[i] *= factor;
  }
  return vectors;
}

function gram(vectors: Float64Array, count: number, width: number): Float64Array {
  const out = new Float64Array(count * count);
  for (let a = 0; a < count; a++)
    for (let b = 0; b < count; b++)
      for (let i = 0; i < width; i++) out[a * count + b] += vectors[a * width + i] * vectors[b * width + i];
  return out;
}

/** Eigenvalues and eigenvectors (as columns) of a small symmetric matrix, by Jacobi's rotations. */
function symmetric(matrix: Float64Array, n: number) {
  const a = matrix.slice();
  const vectors = Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0));
  const rotate = (m: Float64Array, first: number, second: number, cos: number, sin: number): void => {
    const [x, y] = [m[first], m[second]];
    m[first] = cos * x - sin * y;
    m[second] = sin * x + cos * y;
  };
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        const apq = a[p * n + q];
        off += apq * apq;
        if (apq === 0) continue;
        const theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const cos = 1 / Math.sqrt(t * t + 1);
        const sin = t * cos;
        for (let i = 0; i < n; i++) rotate(a, p * n + i, q * n + i, cos, sin);
        for (let i = 0; i < n; i++) {
          rotate(a, i * n + p, i * n + q, cos, sin);
          rotate(vectors, i * n + p, i * n + q, cos, sin);
        }
      }
    if (off < 1e-28) break;
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]), vectors };
}
