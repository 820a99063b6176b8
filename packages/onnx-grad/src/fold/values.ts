import type { Dim } from "../graph/dim.ts";
import { type Constant, type DType, isExternal, numbersOf, type Tensor } from "../graph/tensor.ts";

/**
 * A small value that is known before the graph runs. Integers may be multiples of the open batch.
 */
export interface Known {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly values: readonly Dim[];
}

/** A {@link Known} whose every element is a number. */
export interface NumericKnown extends Known {
  readonly values: readonly number[];
}

/** Values with more elements than this are left to the engine. */
export const MAX_KNOWN = 4096;

/** A value whose every element is a number. */
export const isNumeric = (known: Known): known is NumericKnown =>
  known.values.every((value) => typeof value === "number");

/**
 * A constant as a known value: integers and booleans up to {@link MAX_KNOWN} elements, of floats
 * only single ones.
 */
export function knownOf(constant: Constant): Known | undefined {
  if (isExternal(constant) || constant.dtype === "float16") return undefined;
  const float = constant.dtype === "float32" || constant.dtype === "float64";
  if (constant.data.length > (float ? 1 : MAX_KNOWN)) return undefined;
  const { dtype, dims } = constant;
  return { dtype, dims, values: numbersOf(constant) };
}

/** The tensor of a numeric value. */
export function tensorOfKnown({ dtype, dims, values }: NumericKnown): Tensor {
  if (dtype === "int64") {
    const wide = values.map((value) => BigInt(Math.min(2 ** 63 - 1024, Math.max(-(2 ** 63), value))));
    return { dtype, dims, data: BigInt64Array.from(wide) };
  }
  if (dtype === "float32") return { dtype, dims, data: Float32Array.from(values) };
  if (dtype === "float64") return { dtype, dims, data: Float64Array.from(values) };
  if (dtype === "int32") return { dtype, dims, data: Int32Array.from(values) };
  if (dtype === "int8") return { dtype, dims, data: Int8Array.from(values) };
  if (dtype === "float16") return { dtype, dims, data: Uint16Array.from(values) };
  return { dtype, dims, data: Uint8Array.from(values) };
}
