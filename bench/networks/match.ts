import { type Constant, type Graph, itemAt, readTensor, sizeOf } from "onnx-grad";

/** Where a parameter of the PyTorch network is in the graph. */
export interface Match {
  /** Name of the constant. */
  readonly constant: string;
  /** Stored `[in, out]` where PyTorch has `[out, in]`. */
  readonly transposed: boolean;
  /**
   * What the exporter multiplied each row (output channel) with, batch norms that it merged; all 1
   * otherwise.
   */
  readonly scale: Float64Array;
}

const tolerance = 1e-5;

/**
 * Finds a parameter among the float constants of a graph by its numbers: as it is, transposed, or
 * with its output channels scaled by a batch norm. `shape` is PyTorch's. Undefined where exporter
 * or folding made something else of it.
 */
export function findParameter(graph: Graph, shape: readonly number[], value: Float32Array): Match | undefined {
  for (const [constant, candidate] of graph.constants) {
    const { dtype, dims } = candidate;
    if (dtype !== "float32" || sizeOf(dims) !== value.length) continue;
    const match = matchConstant(candidate, shape, value);
    if (match !== undefined) return { constant, ...match };
  }
  return undefined;
}

function matchConstant(
  candidate: Constant,
  shape: readonly number[],
  value: Float32Array,
): Omit<Match, "constant"> | undefined {
  const data = readTensor(candidate).data as Float32Array;
  const rows = shape[0] ?? 1;
  const width = value.length / rows;
  const straight = scaleOf(data, value, rows, width);
  if (straight !== undefined) return { transposed: false, scale: straight };
  if (shape.length !== 2 || candidate.dims.length !== 2 || candidate.dims[1] !== rows) return undefined;
  const ofTranspose = scaleOf(transpose(data, width, rows), value, rows, width);
  return ofTranspose && { transposed: true, scale: ofTranspose };
}

/**
 * The factor of each row between two matrices, or undefined if rows are not multiples. Single
 * numbers must be equal.
 */
function scaleOf(data: Float32Array, value: Float32Array, rows: number, width: number): Float64Array | undefined {
  const scale = new Float64Array(rows).fill(1);
  for (let row = 0; row < rows; row++) {
    let dot = 0;
    let square = 0;
    for (let i = row * width; i < (row + 1) * width; i++) {
      dot += itemAt(data, i) * itemAt(value, i);
      square += itemAt(value, i) ** 2;
    }
    const factor = width > 1 ? dot / square : 1;
    let error = 0;
    for (let i = row * width; i < (row + 1) * width; i++) error += (itemAt(data, i) - factor * itemAt(value, i)) ** 2;
    if (!(Math.sqrt(error) <= tolerance * Math.abs(factor) * Math.sqrt(square))) return undefined;
    scale[row] = Math.abs(factor - 1) < 1e-6 ? 1 : factor;
  }
  return scale;
}

/** A row-major `rows x columns` matrix, transposed. */
function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) result[column * rows + row] = itemAt(data, row * columns + column);
  return result;
}

/** A gradient by the constant, as the gradient by the parameter that it is. */
export function asParameter(gradient: Float32Array, shape: readonly number[], match: Match): Float32Array {
  const rows = shape[0] ?? 1;
  const width = gradient.length / rows;
  const result = match.transposed ? transpose(gradient, width, rows) : Float32Array.from(gradient);
  for (let i = 0; i < result.length; i++) result[i] = itemAt(result, i) * itemAt(match.scale, Math.floor(i / width));
  return result;
}
