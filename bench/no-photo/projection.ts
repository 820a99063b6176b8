import type { FaceSpace, Pixels } from "petalface/images";
import { resizeBilinear } from "petalface/portable";

/** Finds the nearest face of a face space. */
export interface Projection {
  /** The coefficients of the nearest face of `small`, a face of the space's side. */
  coefficients(small: Pixels): number[];
  /** The face of these coefficients, enlarged to `size`. */
  face(coefficients: readonly number[], size: number): Pixels;
  /** The nearest face, as sharp as the space, enlarged to `size`. `small`: a face of its side. */
  nearest(small: Pixels, size: number): Pixels;
}

/**
 * Least squares over all coefficients: the space's basis is stored in 8 bits, so its faces are
 * orthogonal only roughly.
 */
export function openProjection(space: FaceSpace): Projection {
  const { rank, mean, side, basisScale } = space;
  const basis = Array.from({ length: rank }, (_, row) => {
    const face = new Float32Array(mean.length);
    space.addFaces(
      Float64Array.from({ length: rank }, (_, at) => (at === row ? (basisScale[at] ?? 0) : 0)),
      face,
    );
    return face;
  });
  const factor = cholesky(basis.map((a) => basis.map((b) => dot(a, b))));
  const coefficients = (small: Pixels): number[] => {
    const off = Float32Array.from(mean, (value, at) => (small.data[at] ?? 0) - value);
    return solve(
      factor,
      basis.map((face) => dot(face, off)),
    );
  };
  const face = (weights: readonly number[], size: number): Pixels => {
    const sum = Float32Array.from(mean);
    basis.forEach((row, at) => {
      const weight = weights[at] ?? 0;
      for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + weight * (row[i] ?? 0);
    });
    const data = new Uint8Array(Uint8ClampedArray.from(sum));
    return resizeBilinear({ width: side, height: side, data }, size, size);
  };
  return { coefficients, face, nearest: (small, size) => face(coefficients(small), size) };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** The lower triangle L of a positive definite matrix L x transpose(L). */
export function cholesky(matrix: readonly (readonly number[])[]): number[][] {
  const lower: number[][] = [];
  matrix.forEach((row, i) => {
    const made: number[] = [];
    for (let j = 0; j <= i; j++) {
      const other = j === i ? made : (lower[j] ?? []);
      let sum = row[j] ?? 0;
      for (let k = 0; k < j; k++) sum -= (made[k] ?? 0) * (other[k] ?? 0);
      made.push(i === j ? Math.sqrt(sum) : sum / (other[j] ?? 1));
    }
    lower.push(made);
  });
  return lower;
}

/** Solves L x transpose(L) x = b. */
export function solve(lower: readonly (readonly number[])[], b: readonly number[]): number[] {
  const x = forward(lower, b);
  for (let i = x.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < x.length; k++) x[i] = (x[i] ?? 0) - (lower[k]?.[i] ?? 0) * (x[k] ?? 0);
    x[i] = (x[i] ?? 0) / (lower[i]?.[i] ?? 1);
  }
  return x;
}

/** Solves L x = b. */
export function forward(lower: readonly (readonly number[])[], b: readonly number[]): number[] {
  const x = [...b];
  lower.forEach((row, i) => {
    for (let k = 0; k < i; k++) x[i] = (x[i] ?? 0) - (row[k] ?? 0) * (x[k] ?? 0);
    x[i] = (x[i] ?? 0) / (row[i] ?? 1);
  });
  return x;
}
