/** The product of two vectors of one length. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** One row of a matrix `count x width`, in place. */
export const rowAt = (rows: Float32Array, width: number, at: number): Float32Array =>
  rows.subarray(at * width, (at + 1) * width);

/** Rows of one length as a matrix. */
export function joinRows(rows: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(rows.length * (rows[0]?.length ?? 0));
  rows.forEach((row, at) => {
    out.set(row, at * row.length);
  });
  return out;
}

/** Means of the columns of some rows, and their covariance. */
export function momentsOf(rows: readonly ArrayLike<number>[]): { readonly mean: number[]; covariance: Float64Array[] } {
  const mean = Array.from(rows[0], (_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
  const covariance = mean.map(() => new Float64Array(mean.length));
  for (const row of rows) {
    const off = mean.map((value, i) => row[i] - value);
    covariance.forEach((line, i) => {
      for (let j = 0; j < off.length; j++) line[j] += (off[i] * off[j]) / rows.length;
    });
  }
  return { mean, covariance };
}

/** The lower triangle L of a positive definite matrix L x transpose(L). */
export function cholesky(matrix: readonly ArrayLike<number>[]): number[][] {
  const lower: number[][] = [];
  matrix.forEach((row, i) => {
    lower.push([]);
    for (let j = 0; j <= i; j++) {
      let sum = row[j];
      for (let k = 0; k < j; k++) sum -= lower[i][k] * lower[j][k];
      lower[i].push(i === j ? Math.sqrt(sum) : sum / lower[j][j]);
    }
  });
  return lower;
}

/** Solves L x transpose(L) x = b. */
export function solve(lower: readonly (readonly number[])[], b: ArrayLike<number>): number[] {
  const x = forward(lower, b);
  for (let i = x.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < x.length; k++) x[i] -= lower[k][i] * x[k];
    x[i] /= lower[i][i];
  }
  return x;
}

/** Solves L x = b. */
export function forward(lower: readonly (readonly number[])[], b: ArrayLike<number>): number[] {
  const x = Array.from(b);
  lower.forEach((row, i) => {
    for (let k = 0; k < i; k++) x[i] -= row[k] * x[k];
    x[i] /= row[i];
  });
  return x;
}
