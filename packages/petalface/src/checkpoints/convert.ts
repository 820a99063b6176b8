import { endianness } from "node:os";
import { toFloat32 } from "../tensors/index.ts";
import { type Dtype, widthOf } from "./types.ts";

const hostIsLittle = endianness() === "LE";

/**
 * Elements as float32, little-endian, whatever they were. float64 is rounded; integers beyond 2^24 and float64 may lose digits; true is 1.
 *
 * @param bytes whole elements; may be changed, and may be shared by the result
 */
export function toFloat32Bytes(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: Dtype,
  littleEndian: boolean,
): Uint8Array<ArrayBuffer> {
  const width = widthOf[dtype];
  if (dtype === "float32" && littleEndian) return bytes;
  const native = littleEndian === hostIsLittle ? bytes : swap(bytes, width);
  const numbers = dtype === "float32" ? native : bytesOf(convert(aligned(native, width), dtype));
  return hostIsLittle ? numbers : swap(numbers, 4);
}

function convert(bytes: Uint8Array<ArrayBuffer>, dtype: Exclude<Dtype, "float32">): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset } = bytes;
  const count = bytes.length / widthOf[dtype];
  switch (dtype) {
    case "float64":
      return Float32Array.from(new Float64Array(buffer, byteOffset, count));
    case "float16":
      return toFloat32({ dtype: "F16", shape: [count], data: new Uint16Array(buffer, byteOffset, count) });
    case "bfloat16": {
      const bits = new Uint16Array(buffer, byteOffset, count);
      const wide = new Uint32Array(count);
      for (let at = 0; at < count; at++) wide[at] = (bits[at] as number) << 16;
      return new Float32Array(wide.buffer);
    }
    case "int64":
      return Float32Array.from(new BigInt64Array(buffer, byteOffset, count), Number);
    case "uint64":
      return Float32Array.from(new BigUint64Array(buffer, byteOffset, count), Number);
    case "int32":
      return Float32Array.from(new Int32Array(buffer, byteOffset, count));
    case "uint32":
      return Float32Array.from(new Uint32Array(buffer, byteOffset, count));
    case "int16":
      return Float32Array.from(new Int16Array(buffer, byteOffset, count));
    case "uint16":
      return Float32Array.from(new Uint16Array(buffer, byteOffset, count));
    case "int8":
      return Float32Array.from(new Int8Array(buffer, byteOffset, count));
    case "uint8":
      return Float32Array.from(bytes);
    case "bool":
      return Float32Array.from(bytes, (value) => (value === 0 ? 0 : 1));
  }
}

function bytesOf(numbers: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

function aligned(bytes: Uint8Array<ArrayBuffer>, width: number): Uint8Array<ArrayBuffer> {
  return bytes.byteOffset % width === 0 ? bytes : bytes.slice();
}

/** Turns the bytes of every element round, in place. */
function swap(bytes: Uint8Array<ArrayBuffer>, width: number): Uint8Array<ArrayBuffer> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
  return bytes;
}

/** Whether float32 little-endian bytes hold an infinity or what is no number. */
export function hasNonFinite(bytes: Uint8Array<ArrayBuffer>): boolean {
  const whole = aligned(bytes, 4);
  const words = new Uint32Array(whole.buffer, whole.byteOffset, whole.length / 4);
  const exponent = hostIsLittle ? 0x7f800000 : 0x0000807f;
  for (let at = 0; at < words.length; at++) if (((words[at] as number) & exponent) === exponent) return true;
  return false;
}
