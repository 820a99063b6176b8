/** Element types that a checkpoint may hold, in PyTorch's words. */
export type Dtype =
  | "float64"
  | "float32"
  | "float16"
  | "bfloat16"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint64"
  | "uint32"
  | "uint16"
  | "uint8"
  | "bool";

/** Bytes of one element. */
export const widthOf: Readonly<Record<Dtype, 1 | 2 | 4 | 8>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
};

/** Where the bytes of a storage lie. Several tensors may be views of one storage. */
export interface Storage {
  readonly file: string;
  /** First byte in the file. */
  readonly offset: number;
  /** Bytes of the numbers. */
  readonly length: number;
  /** Bytes in the file where a zip holds them deflated; absent where they lie there as they are. */
  readonly deflated?: number;
  /** CRC-32 of the numbers' bytes, where the file has one. */
  readonly crc32?: number;
  readonly littleEndian: boolean;
}

/**
 * What whole numbers stand for: (number - zero point) * scale. Both are of the tensor, or of each
 * place along an axis.
 */
export interface Quantizer<T> {
  readonly scales: number | T;
  readonly zeroPoints: number | T;
  /** Undefined where scale and zero point are of the whole tensor. */
  readonly axis?: number | undefined;
}

/**
 * One named tensor: a strided view of a storage, not read yet. Checked: no element lies outside its
 * storage.
 */
export interface CheckpointTensor {
  /** Its name inside its group. */
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** In elements, one for each side of `shape`; zero repeats. */
  readonly strides: readonly number[];
  /** First element in the storage. */
  readonly offset: number;
  /** Product of `shape`. */
  readonly elements: number;
  readonly storage: Storage;
  /** Of PyTorch's quantised tensors; their numbers are read as what they stand for. */
  readonly quantizer?: Quantizer<CheckpointTensor> | undefined;
}

/** A dictionary (or list) of the file that holds tensors directly. */
export interface TensorGroup {
  /** Keys from the top of the file, joined with "/"; "" is the top itself. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly elements: number;
}

/** Plain values other than tensors: epoch, options, ... */
export type Plain = null | boolean | number | string | readonly Plain[] | { readonly [key: string]: Plain };

/** What a checkpoint file holds, without the numbers themselves. */
export interface Checkpoint {
  /** As the user named it. */
  readonly path: string;
  readonly format: "torch-zip" | "torch-legacy" | "safetensors";
  /** In file order. */
  readonly groups: readonly TensorGroup[];
  /** Everything that is not a tensor, shortened where it is long. Objects have no prototype. */
  readonly metadata: { readonly [key: string]: Plain };
  /** `config.json` of a Hugging Face folder. */
  readonly config?: { readonly [key: string]: Plain };
  /**
   * Bytes and time of change of each file that was listed; reading refuses a file that is no longer
   * the same.
   */
  readonly files: ReadonlyMap<string, { readonly size: number; readonly changed: number }>;
}
