import { endianness } from "node:os";
import { once } from "onnx-grad";
import { toFloat32 } from "../tensors/index.ts";
import { type Dtype, widthOf } from "./types.ts";

const hostIsLittle = endianness() === "LE";

/** binary32 bits of every binary16. */
const halves = once(() => {
  const data = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
  return new Uint32Array(toFloat32({ dtype: "F16", shape: [2 ** 16], data }).buffer);
});

/**
 * Elements as float32, little-endian, whatever they were. float64 is rounded; integers beyond 2^24
 * and float64 may lose digits; true is 1.
 *
 * @param bytes whole elements; may be changed
 * @param target room for as many float32 numbers, from a multiple of 4 of its buffer on
 * @returns `bytes` itself where it is float32 already, otherwise `target`
 */
export function toFloat32Bytes(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: Dtype,
  littleEndian: boolean,
  target: (length: number) => Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const width = widthOf[dtype];
  if (dtype === "float32") return littleEndian ? bytes : swap(bytes, 4);
  const native = aligned(littleEndian === hostIsLittle ? bytes : swap(bytes, width), width);
  const numbers = target((bytes.length / width) * 4);
  convert(native, dtype, new Float32Array(numbers.buffer, numbers.byteOffset, numbers.length / 4));
  return hostIsLittle ? numbers : swap(numbers, 4);
}

function convert(
  bytes: Uint8Array<ArrayBuffer>,
  dtype: Exclude<Dtype, "float32">,
  target: Float32Array<ArrayBuffer>,
): void {
  const { buffer, byteOffset } = bytes;
  const count = target.length;
  const bitsOfTarget = new Uint32Array(target.buffer, target.byteOffset, count);
  switch (dtype) {
    case "float64":
      target.set(new Float64Array(buffer, byteOffset, count));
      return;
    case "float16": {
      const bits = new Uint16Array(buffer, byteOffset, count);
      const floats = halves();
      for (let at = 0; at < count; at++) bitsOfTarget[at] = floats[bits[at]];
      return;
    }
    case "bfloat16": {
      const bits = new Uint16Array(buffer, byteOffset, count);
      for (let at = 0; at < count; at++) bitsOfTarget[at] = bits[at] << 16;
      return;
    }
    case "int64":
    case "uint64": {
      const wide = new (dtype === "int64" ? BigInt64Array : BigUint64Array)(buffer, byteOffset, count);
      for (let at = 0; at < count; at++) target[at] = Number(wide[at]);
      return;
    }
    case "int32":
      target.set(new Int32Array(buffer, byteOffset, count));
      return;
    case "uint32":
      target.set(new Uint32Array(buffer, byteOffset, count));
      return;
    case "int16":
      target.set(new Int16Array(buffer, byteOffset, count));
      return;
    case "uint16":
      target.set(new Uint16Array(buffer, byteOffset, count));
      return;
    case "int8":
      target.set(new Int8Array(buffer, byteOffset, count));
      return;
    case "uint8":
      target.set(bytes);
      return;
    case "bool":
      for (let at = 0; at < count; at++) target[at] = bytes[at] === 0 ? 0 : 1;
  }
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

/** Whether float32 little-endian bytes hold an infinity or NaN. */
export function hasNonFinite(bytes: Uint8Array<ArrayBuffer>): boolean {
  const whole = aligned(bytes, 4);
  const words = new Uint32Array(whole.buffer, whole.byteOffset, whole.length / 4);
  const exponent = hostIsLittle ? 0x7f800000 : 0x0000807f;
  for (let at = 0; at < words.length; at++) if ((words[at] & exponent) === exponent) return true;
  return false;
}
