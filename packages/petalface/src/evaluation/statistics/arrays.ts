/** Arrays of numbers that measurements are kept in. */
export type Numbers = Float32Array | Int32Array | Uint8Array;

/** Zeros of the same kind. */
export const likeOf = <T extends Numbers>(values: T, length: number): T =>
  new (values.constructor as new (length: number) => T)(length);

/** One array behind the other. */
export function append<T extends Numbers>(one: T, other: T): T {
  const out = likeOf(one, one.length + other.length);
  out.set(one);
  out.set(other, one.length);
  return out;
}
