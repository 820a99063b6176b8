import type { FaceSpace, Pixels } from "petalface/images";
import { resizeBilinear } from "petalface/portable";
import { cholesky, dot, solve } from "../skeleton/linear.ts";

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
