/** Element types, as the format spells them. F16 and BF16 are kept as their 16 bits. */
export type TensorType = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "I8" | "U8";

/**
 * Numbers of a tensor: Uint16Array (bits) for F16 and BF16, BigInt64Array for I64, otherwise the
 * array of the same name.
 */
export type TensorData =
  | Float64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>;

/** One named tensor, row-major. */
export interface StoredTensor {
  readonly dtype: TensorType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** The content of one file. */
export interface Safetensors {
  readonly tensors: Map<string, StoredTensor>;
  /** Free text of the writer (`__metadata__`). */
  readonly metadata: Map<string, string>;
}
