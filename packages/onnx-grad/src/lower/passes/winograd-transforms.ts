/**
 * The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016, "Fast algorithms
 * for convolutional neural networks"): tiles of 6 x 6 pixels of the input and the kernel are
 * evaluated as polynomials at six points for each axis, multiplied there, and brought back as 4 x 4
 * pixels.
 */

/** Pixels of one axis of an output tile, and of an input tile. */
export const tile = 4;
export const reach = 6;

/**
 * Where the polynomials are evaluated. Near one, and not the usual whole numbers: the error is half
 * as large (6e-7 of the result against 1.2e-6, a plain convolution 1.6e-7; 128 channels).
 */
const points: readonly number[] = [0, 0.75, -0.75, 1.5, -1.5, Number.POSITIVE_INFINITY];

/** Matrices as rows. */
type Matrix = readonly (readonly number[])[];

/** 1, a, a^2, ...; the infinite point sees the highest power alone. */
const powers = (at: number, count: number): number[] =>
  Array.from({ length: count }, (_, j) => (Number.isFinite(at) ? at ** j : j === count - 1 ? 1 : 0));

/** Coefficients, from the lowest power, of the product of (x - root). */
const polynomial = (roots: readonly number[]): number[] =>
  roots.reduce((product, root) => [0].concat(product).map((value, j) => value - root * (product[j] ?? 0)), [1]);

/** What takes coefficients back from the values at `at`: Lagrange's polynomials, one a row. */
function lagrange(at: readonly number[]): number[][] {
  const finite = at.filter(Number.isFinite);
  return at.map((point) => {
    const others = finite.filter((other) => other !== point);
    const scale = Number.isFinite(point) ? others.reduce((product, other) => product * (point - other), 1) : 1;
    const row = polynomial(others).map((value) => value / scale);
    return [...row, ...Array<number>(at.length - row.length).fill(0)];
  });
}

const kronecker = (a: Matrix): number[][] =>
  a.flatMap((row) => a.map((other) => row.flatMap((x) => other.map((y) => x * y))));

const transposed = (a: Matrix): number[][] => (a[0] ?? []).map((_, column) => a.map((row) => row[column]));

/**
 * Powers of two near the length of each row of the input's transform: what is multiplied is then of
 * one size.
 */
const scales = lagrange(points).map((row) => 2 ** Math.round(Math.log2(Math.hypot(...row))));

/** Of one axis of a kernel: [6, 3]. */
export const kernelTransform: Matrix = points.map((point, p) => powers(point, 3).map((value) => value * scales[p]));

/** Transforms of both axes at once, of input tiles [36, 36] and of products [16, 36]. */
export interface Transforms {
  readonly input: Matrix;
  readonly output: Matrix;
}

/** For a convolution with a kernel that {@link kernelTransform} was applied to. */
export const straight: Transforms = transformsAt(points, (p) => 1 / scales[p]);

/**
 * For the same transformed kernel as it were mirrored: g mirrored, at a, is a^2 g(1 / a), so
 * evaluating the input at the reciprocals needs no second copy.
 */
export const mirrored: Transforms = transformsAt(
  points.map((point) => (point === 0 ? Number.POSITIVE_INFINITY : 1 / point)),
  (p, at) => (Number.isFinite(at) && at !== 0 ? at ** 2 : 1) / scales[p],
);

function transformsAt(at: readonly number[], factor: (p: number, at: number) => number): Transforms {
  const rows = lagrange(at).map((row, p) => row.map((value) => value * factor(p, at[p])));
  return { input: kronecker(rows), output: transposed(kronecker(at.map((point) => powers(point, tile)))) };
}
