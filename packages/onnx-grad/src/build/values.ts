import { isStatic, printShape, type Shape } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import { type DType, float32, int64, sizeOf, type Tensor } from "../graph/tensor.ts";
import type { GraphBuilder } from "./builder.ts";

/** Attributes of nodes. */
export const ints = (values: readonly number[]) => ({ ints: values });
export const int = (value: number) => ({ int: value });

/** A constant tensor filled with one number. Throws for dtypes that gradients never have. */
export function filled(value: number, dims: readonly number[], dtype: DType): Tensor {
  const size = sizeOf(dims);
  if (dtype === "float32") return { dtype, dims, data: new Float32Array(size).fill(value) };
  if (dtype === "float64") return { dtype, dims, data: new Float64Array(size).fill(value) };
  if (dtype === "int64") return { dtype, dims, data: new BigInt64Array(size).fill(BigInt(value)) };
  if (dtype === "int32") return { dtype, dims, data: new Int32Array(size).fill(value) };
  if (dtype === "bool") return { dtype, dims, data: new Uint8Array(size).fill(value) };
  throw new OnnxGradError(`cannot make a ${dtype} constant; cast the value to float32 first`);
}

/**
 * What the builders of every family need: shapes and types of values, scalars and constants made
 * once.
 */
export type Values = ReturnType<typeof valuesOf>;

export function valuesOf(b: GraphBuilder) {
  const interned = new Map<string, string>();
  const intern = (key: string, make: () => Tensor, stem: string): string => {
    const known = interned.get(key);
    if (known !== undefined) return known;
    const name = b.constant(make(), stem);
    interned.set(key, name);
    return name;
  };

  const shape = (x: string): Shape => b.shape(x);
  const rank = (x: string): number => b.shape(x).length;
  const dtype = (x: string): DType => b.type(x).dtype;
  const scalar = (value: number, type: DType = "float32"): string =>
    intern(`${type} ${value}`, () => filled(value, [], type), "scalar");
  const vector = (values: readonly number[]): string => intern(`ints ${values.join()}`, () => int64(values), "ints");
  /** The shape of a value, from one axis on, whose dimensions must be known there. */
  const dims = (x: string, from = 0): readonly number[] => {
    const all = shape(x).slice(from);
    if (!isStatic(all)) throw new OnnxGradError(`"${x}" ${printShape(all)} is open; fix the batch with setBatch first`);
    return all;
  };
  /** The length of one axis (-1: the last), which must be known; that of the others need not be. */
  const dim = (x: string, along: number): number => {
    const length = shape(x).at(along);
    if (typeof length === "number") return length;
    throw new OnnxGradError(`axis ${along} of "${x}" ${printShape(shape(x))} is no known number`);
  };
  const axis = (x: string, value: number): number => (value < 0 ? value + rank(x) : value);

  return {
    builder: b,
    intern,
    shape,
    dims,
    dim,
    rank,
    dtype,
    /** `value` counted from the front. */
    axis,
    scalar,
    /** An int64 vector. */
    ints: vector,
    /** A float32 constant. */
    floats: (values: ArrayLike<number>, dims?: readonly number[]): string => b.constant(float32(values, dims)),
  };
}
