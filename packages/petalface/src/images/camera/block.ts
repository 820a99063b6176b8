/**
 * Transforms a square block along its rows, then along its columns, in place; or back.
 *
 * @param matrix orthonormal basis, `side x side`, one basis vector a row
 * @param inverse uses the transposed matrix
 */
export function transformBlock(block: Float64Array, matrix: Float64Array, side: number, inverse: boolean): void {
  const [row, column] = inverse ? [1, side] : [side, 1];
  const half = new Float64Array(side * side);
  for (let line = 0; line < side; line++)
    for (let to = 0; to < side; to++) {
      let sum = 0;
      for (let from = 0; from < side; from++) sum += matrix[to * row + from * column] * block[line * side + from];
      half[line * side + to] = sum;
    }
  for (let line = 0; line < side; line++)
    for (let to = 0; to < side; to++) {
      let sum = 0;
      for (let from = 0; from < side; from++) sum += matrix[to * row + from * column] * half[from * side + line];
      block[to * side + line] = sum;
    }
}
