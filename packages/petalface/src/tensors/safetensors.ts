import { PetalfaceError } from "../errors.ts";
import { isRecord } from "../json.ts";

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

/** Bytes of one element, for every type of the format that fills whole bytes of known meaning. */
const widths: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** The reference implementation refuses longer headers too. */
const longestHeader = 100_000_000;
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

/** A tensor of a file, not read: its bytes are `begin` to `end` of the data. */
export interface SafetensorsEntry {
  readonly key: string;
  /** As the format spells it; may be a type that {@link StoredTensor} does not have. */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Where a file's header ends and how long its data are.
 *
 * @param bytes the first 8 of the file, or more; @param size bytes of the whole file
 */
export function locateSafetensorsHeader(
  bytes: Uint8Array,
  size: number,
  name: string,
): { readonly start: number; readonly length: number } {
  if (size < 8 || bytes.length < 8) throw invalid(name, `${size} bytes are too few`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(longestHeader)) throw invalid(name, `its header claims ${length} bytes`);
  const start = 8 + Number(length);
  if (start > size) throw invalid(name, `its header claims ${length} bytes, more than the file has`);
  return { start, length: size - start };
}

/**
 * Reads a file's header alone, and checks it against the length of the data.
 *
 * @param headerBytes the JSON between the 8 bytes of its length and the data
 * @returns entries in the order of their bytes; they fill the data without gap or overlap
 */
export function parseSafetensorsHeader(
  headerBytes: Uint8Array,
  dataLength: number,
  name: string,
): { readonly entries: readonly SafetensorsEntry[]; readonly metadata: Map<string, string> } {
  const fail = (what: string, cause?: unknown) => invalid(name, what, cause);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(headerBytes));
  } catch (cause) {
    throw fail("its header is not JSON", cause);
  }
  if (!isRecord(header)) throw fail("its header is not a JSON object");

  const metadata = new Map<string, string>();
  const entries: SafetensorsEntry[] = [];
  for (const [key, value] of Object.entries(header)) {
    if (!isRecord(value)) throw fail(`entry ${quote(key)} is not an object`);
    if (key === "__metadata__") {
      for (const [word, text] of Object.entries(value)) {
        if (typeof text !== "string") throw fail(`metadata ${quote(word)} is not text`);
        metadata.set(word, text);
      }
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = value;
    const width = typeof dtype === "string" && Object.hasOwn(widths, dtype) ? widths[dtype] : undefined;
    if (typeof dtype !== "string" || width === undefined) {
      throw fail(`tensor ${quote(key)} has the unknown type ${quote(dtype)}`);
    }
    if (!isSizes(shape)) throw fail(`tensor ${quote(key)} has no valid shape`);
    if (!isSizes(offsets) || offsets.length !== 2) throw fail(`tensor ${quote(key)} has no valid offsets`);
    const [begin = 0, end = 0] = offsets;
    const needed = shape.reduce((product, side) => product * side, width);
    if (end - begin !== needed) {
      throw fail(`tensor ${quote(key)} needs ${needed} bytes and has ${end - begin}`);
    }
    entries.push({ key, dtype, shape, begin, end });
  }

  entries.sort((one, other) => one.begin - other.begin || one.end - other.end);
  let covered = 0;
  for (const { key, begin, end } of entries) {
    if (begin !== covered) throw fail(`tensor ${quote(key)} starts at byte ${begin} of the data, not at ${covered}`);
    covered = end;
  }
  if (covered !== dataLength) {
    throw fail(`its tensors take ${covered} bytes and the file holds ${dataLength}; it may be truncated`);
  }
  return { entries, metadata };
}

function invalid(name: string, what: string, cause?: unknown): PetalfaceError {
  return new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${name} is not a valid safetensors file: ${what}`, { cause });
}

function isKnown(dtype: string): dtype is TensorType {
  return Object.hasOwn(arrays, dtype);
}

/** A tensor that a file will hold. */
export interface PlannedTensor {
  /** As the format spells it. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes. */
  readonly length: number;
}

/** Options of {@link safetensorsHead}. */
export interface HeadOptions {
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /**
   * The data begin at a multiple of it, so that they can be used where they lie; 8 unless given.
   */
  readonly alignment?: number;
  /** Bytes that the head takes, where it replaces one of more rows. */
  readonly length?: number | undefined;
}

/**
 * The head of a safetensors file whose tensors follow each other: the length of its JSON, the JSON,
 * and spaces (https://github.com/huggingface/safetensors#format).
 */
export function safetensorsHead(
  tensors: Iterable<readonly [string, PlannedTensor]>,
  { metadata, alignment = 8, length }: HeadOptions = {},
): Uint8Array<ArrayBuffer> {
  const header: [string, unknown][] = metadata === undefined ? [] : [["__metadata__", metadata]];
  let end = 0;
  for (const [name, { dtype, shape, length }] of tensors) {
    header.push([name, { dtype, shape, data_offsets: [end, end + length] }]);
    end += length;
  }
  // Object.fromEntries makes a property even of a tensor that is named __proto__.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const head = new Uint8Array(length ?? Math.ceil((8 + json.length) / alignment) * alignment).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(json, 8);
  return head;
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

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every((side) => Number.isSafeInteger(side) && side >= 0);
}

function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
