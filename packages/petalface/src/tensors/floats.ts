import type { StoredTensor } from "./types.ts";

/**
 * A tensor's numbers as float32: F32 as it is (shared), the others converted; I64 and F64 may lose
 * digits.
 */
export function toFloat32(tensor: StoredTensor): Float32Array<ArrayBuffer> {
  const { dtype, data } = tensor;
  if (data instanceof Float32Array) return data;
  if (data instanceof BigInt64Array) return Float32Array.from(data, Number);
  if (!(data instanceof Uint16Array)) return Float32Array.from(data);
  const bits = new Uint32Array(data.length);
  const widen = dtype === "BF16" ? (value: number) => value << 16 : halfToSingle;
  // Typed arrays have a `from` too, which takes ten times as long.
  data.forEach((value, at) => {
    bits[at] = widen(value);
  });
  return new Float32Array(bits.buffer);
}

/** IEEE 754 binary16 bits to binary32 bits. */
function halfToSingle(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}
