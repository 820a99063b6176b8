import { PetalfaceError } from "../errors.ts";
import {
  isSizes,
  locateSafetensorsHeader,
  type PlannedTensor,
  parseSafetensorsHeader,
  quote,
  safetensorsHead,
} from "./header.ts";
import type { Safetensors, StoredTensor, TensorData, TensorType } from "./types.ts";

const arrays = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;

/** Whether this machine keeps the low byte first, as the format does. */
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * Reads the safetensors format: 8 bytes header length, JSON header, data. Strict: every tensor's
 * bytes must match its type and shape, and the tensors must fill the data without gap or overlap.
 * Aligned tensors share memory with `bytes`.
 *
 * Format: https://github.com/huggingface/safetensors#format
 *
 * @param name what error messages call the file
 * @throws PetalfaceError where the bytes break the format; nothing is allocated before a size is
 * checked
 */
export function parseSafetensors(bytes: Uint8Array<ArrayBuffer>, name = "safetensors data"): Safetensors {
  const { start, length } = locateSafetensorsHeader(bytes, bytes.length, name);
  const { entries, metadata } = parseSafetensorsHeader(bytes.subarray(8, start), length, name);
  const tensors = new Map<string, StoredTensor>();
  for (const { key, dtype, shape, begin, end } of entries) {
    if (!isKnown(dtype))
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_UNSUPPORTED",
        `${name}: tensor ${quote(key)} has the type ${dtype}, which is not read here`,
      );
    tensors.set(key, { dtype, shape, data: view(bytes.subarray(start + begin, start + end), dtype) });
  }
  return { tensors, metadata };
}

function isKnown(dtype: string): dtype is TensorType {
  return Object.hasOwn(arrays, dtype);
}

/**
 * Writes the safetensors format. The same tensors and metadata give the same bytes, whatever their
 * order.
 *
 * @param tensors by name; `data` must have the type and size that `dtype` and `shape` say
 */
export function encodeSafetensors(
  tensors: Iterable<readonly [string, StoredTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  // Wide types first, so that every tensor is aligned to its own elements.
  const width = (tensor: StoredTensor) => arrays[tensor.dtype].BYTES_PER_ELEMENT;
  const sorted = [...tensors].sort(([a, one], [b, other]) => width(other) - width(one) || (a < b ? -1 : 1));
  const planned = sorted.map(([name, { dtype, shape, data }]): [string, PlannedTensor] => {
    const count = shape.reduce((product, side) => product * side, 1);
    if (name === "__metadata__" || !(data instanceof arrays[dtype]) || data.length !== count || !isSizes(shape)) {
      throw new RangeError(`tensor ${quote(name)}: the data do not fit ${dtype} [${shape.join(", ")}]`);
    }
    return [name, { dtype, shape, length: data.byteLength }];
  });
  const words = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const head = safetensorsHead(planned, { metadata: words.length > 0 ? Object.fromEntries(words) : undefined });
  const bytes = new Uint8Array(planned.reduce((size, [, { length }]) => size + length, head.length));
  bytes.set(head);
  let offset = head.length;
  for (const [, { data }] of sorted) {
    bytes.set(swapIfBig(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), data.BYTES_PER_ELEMENT), offset);
    offset += data.byteLength;
  }
  return bytes;
}

function view(bytes: Uint8Array<ArrayBuffer>, dtype: TensorType): TensorData {
  const width = arrays[dtype].BYTES_PER_ELEMENT;
  const usable = bytes.byteOffset % width === 0 && (width === 1 || littleEndian);
  const source = usable ? bytes : swapIfBig(bytes.slice(), width);
  return new arrays[dtype](source.buffer, source.byteOffset, source.byteLength / width);
}

/**
 * The format is little-endian. Returns the same bytes on a little-endian machine and a swapped copy
 * on another.
 */
function swapIfBig(bytes: Uint8Array<ArrayBuffer>, width: number): Uint8Array<ArrayBuffer> {
  if (width === 1 || littleEndian) return bytes;
  const swapped = bytes.slice();
  for (let offset = 0; offset < swapped.length; offset += width) swapped.subarray(offset, offset + width).reverse();
  return swapped;
}
