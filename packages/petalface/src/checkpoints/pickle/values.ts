import type { Dtype, Quantizer } from "../types.ts";

/**
 * What a pickle can become here: plain data, never an instance of a named class. A list is an
 * array, a tuple a frozen array, a dictionary a Map. Python 2 text that is not UTF-8 stays bytes.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly PickleValue[]
  | PickleMap
  | PickleSet
  | PickleObject;

// Interfaces, because a type alias cannot refer to itself inside a type argument.
export interface PickleMap extends Map<PickleValue, PickleValue> {}
export interface PickleSet extends Set<PickleValue> {}

/** A name of Python code. It stands for nothing: no code is behind it. */
export interface PickleGlobal {
  readonly kind: "global";
  readonly module: string;
  readonly name: string;
}

/** An element type of NumPy, such as `f8`; `bigEndian` is set after the type itself. */
export interface PickleNumpyType {
  readonly kind: "numpy-type";
  readonly code: string;
  bigEndian: boolean;
}

/** An array of NumPy: bytes as they lie in the pickle. */
export interface PickleArray {
  readonly kind: "array";
  type: PickleNumpyType;
  shape: readonly number[];
  /** Fastest side first, instead of last. */
  fortran: boolean;
  data: Uint8Array;
}

/** The numbers behind tensors of PyTorch: a piece of a named record of the file. */
export interface PickleStorage {
  readonly kind: "storage";
  /** Absent where the storage is plain bytes. */
  readonly dtype: Dtype | undefined;
  readonly key: string;
  /** Bytes of the whole record. */
  readonly recordLength: number;
  /** First byte and bytes of this storage in it. */
  readonly start: number;
  readonly length: number;
}

/** A tensor of PyTorch, checked to lie inside its storage. Offset and strides in elements. */
export interface PickleTensor {
  readonly kind: "tensor";
  readonly dtype: Dtype;
  readonly storage: PickleStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly elements: number;
  /** Of quantised tensors. */
  readonly quantizer?: Quantizer<PickleTensor> | undefined;
}

export type PickleObject = PickleGlobal | PickleNumpyType | PickleArray | PickleStorage | PickleTensor;

/** One of the named objects above, and not a container. */
export function isObject(value: PickleValue): value is PickleObject {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Map) &&
    !(value instanceof Set) &&
    !(value instanceof Uint8Array)
  );
}

/** Arrays made by {@link tuple} cannot be changed, which distinguishes them from lists. */
export function tuple(items: readonly PickleValue[]): readonly PickleValue[] {
  return Object.freeze(items);
}

export function isTuple(value: PickleValue | undefined): value is readonly PickleValue[] {
  return Array.isArray(value) && Object.isFrozen(value);
}

/** A whole number from 0 on that JavaScript counts exactly. */
export function isCount(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** A tuple or list of counts, at most as many as a tensor has sides. */
export function isCounts(value: PickleValue | undefined): value is readonly number[] {
  return Array.isArray(value) && value.length <= 64 && value.every(isCount);
}
