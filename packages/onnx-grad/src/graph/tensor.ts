import { OnnxGradError } from "./errors.ts";

/** Element types that a {@link Tensor} can hold in JavaScript. ONNX names, lower case. */
export type DType = "float32" | "float64" | "float16" | "int64" | "int32" | "int8" | "uint8" | "bool";

/**
 * The typed array that carries each {@link DType}; float16 travels as raw 16-bit words, bool as 0
 * or 1.
 */
export interface TypedArrays {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

/**
 * Dense row-major values held in memory. `data.length` equals the product of `dims`; a scalar has
 * no dims.
 */
export type Tensor = {
  [T in DType]: { readonly dtype: T; readonly dims: readonly number[]; readonly data: TypedArrays[T] };
}[DType];

/** A tensor of float32 numbers. */
export type FloatTensor = Extract<Tensor, { readonly dtype: "float32" }>;

/** Dense values that stay in a file: `length` bytes from `offset`, row-major, little endian. */
export interface ExternalTensor {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** A constant of a graph: in memory, or a range of a file that onnxruntime maps by itself. */
export type Constant = Tensor | ExternalTensor;

/** Whether a constant lies in a file rather than in memory. */
export const isExternal = (constant: Constant): constant is ExternalTensor => "file" in constant;

/** Number of elements of a shape; 1 for a scalar. */
export const sizeOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** The numbers of a float32 tensor. Throws OnnxGradError where its elements have another type. */
export function floatData({ dtype, data }: Tensor): Float32Array {
  if (dtype !== "float32") throw new OnnxGradError(`a float32 tensor is needed here, not one of ${dtype}`);
  return data;
}

/** The elements as plain numbers: float16 as its raw words, int64 rounded beyond 2^53. */
export const numbersOf = ({ data }: Tensor): number[] => Array.from<number | bigint, number>(data, Number);

/**
 * A float32 tensor; a single number makes a scalar, an array a vector, unless `dims` says
 * otherwise.
 */
export function float32(values: number | ArrayLike<number>, dims?: readonly number[]): Tensor {
  const data = typeof values === "number" ? Float32Array.of(values) : Float32Array.from(values);
  return { dtype: "float32", dims: dims ?? (typeof values === "number" ? [] : [data.length]), data };
}

/**
 * An int64 tensor; a single number makes a scalar, an array a vector, unless `dims` says otherwise.
 */
export function int64(values: number | readonly number[], dims?: readonly number[]): Tensor {
  const data = BigInt64Array.from(typeof values === "number" ? [BigInt(values)] : values.map(BigInt));
  return { dtype: "int64", dims: dims ?? (typeof values === "number" ? [] : [data.length]), data };
}
