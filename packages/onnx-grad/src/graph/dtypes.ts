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

const ARRAYS: Readonly<Record<DType, { readonly BYTES_PER_ELEMENT: number }>> = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

const tensorOfData: Readonly<Record<DType, (dims: readonly number[], buffer: ArrayBuffer) => Tensor>> = {
  float32: (dims, buffer) => ({ dtype: "float32", dims, data: new Float32Array(buffer) }),
  float64: (dims, buffer) => ({ dtype: "float64", dims, data: new Float64Array(buffer) }),
  float16: (dims, buffer) => ({ dtype: "float16", dims, data: new Uint16Array(buffer) }),
  int64: (dims, buffer) => ({ dtype: "int64", dims, data: new BigInt64Array(buffer) }),
  int32: (dims, buffer) => ({ dtype: "int32", dims, data: new Int32Array(buffer) }),
  int8: (dims, buffer) => ({ dtype: "int8", dims, data: new Int8Array(buffer) }),
  uint8: (dims, buffer) => ({ dtype: "uint8", dims, data: new Uint8Array(buffer) }),
  bool: (dims, buffer) => ({ dtype: "bool", dims, data: new Uint8Array(buffer) }),
};

const dtypes: readonly DType[] = ["float32", "uint8", "int8", "int32", "int64", "bool", "float16", "float64"];

/** The TensorProto.DataType number of an element type. */
export const dtypeCode = (dtype: DType): number => CODES[dtype];

/**
 * The element type behind a TensorProto.DataType number, or undefined where onnx-grad has none
 * (strings, int16, 4-bit ...).
 */
export const dtypeOfCode = (code: number): DType | undefined => dtypes.find((dtype) => CODES[dtype] === code);

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
  return tensorOfData[dtype](dims, new Uint8Array(bytes).buffer);
}

/** The bytes of a tensor, little endian, without a copy. */
export function bytesOfTensor(tensor: Tensor): Uint8Array {
  const data: TypedArrays[DType] = tensor.data;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
