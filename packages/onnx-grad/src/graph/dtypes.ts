import type { DType, Tensor, TypedArrays } from "./tensor.ts";

/** The number by which ONNX (TensorProto.DataType) names each element type. */
const CODES: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
};

const BY_CODE: ReadonlyMap<number, DType> = new Map(
  Object.entries(CODES).map(([dtype, code]) => [code, dtype as DType] as const),
);

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** The TensorProto.DataType number of an element type. */
export const dtypeCode = (dtype: DType): number => CODES[dtype];

/**
 * The element type behind a TensorProto.DataType number, or undefined where onnx-grad has none
 * (strings, int16, 4-bit ...).
 */
export const dtypeOfCode = (code: number): DType | undefined => BY_CODE.get(code);

/** Names of TensorProto.DataType (schema/onnx.proto), by number. */
const NAMES = (
  "undefined float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 complex64 complex128 bfloat16 " +
  "float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1 float8e8m0 uint2 int2"
).split(" ");

/** What to call an element type in an error: its number and, where it has one, its name. */
export const nameOfCode = (code: number): string =>
  NAMES[code] === undefined ? `${code}` : `${code} (${NAMES[code]})`;

/** Bytes of one element. */
export const bytesOf = (dtype: DType): number => ARRAYS[dtype].BYTES_PER_ELEMENT;

/**
 * A tensor over little-endian bytes; they are copied, so that the source may be unaligned or
 * short-lived.
 */
export function tensorOfBytes(dtype: DType, dims: readonly number[], bytes: Uint8Array): Tensor {
  const copy = new Uint8Array(bytes);
  const data = new ARRAYS[dtype](copy.buffer, 0, copy.byteLength / bytesOf(dtype));
  return { dtype, dims, data } as Tensor;
}

/** The bytes of a tensor, little endian, without a copy. */
export function bytesOfTensor(tensor: Tensor): Uint8Array {
  const data: TypedArrays[DType] = tensor.data;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
