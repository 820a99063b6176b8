import { PetalfaceError } from "../errors.ts";
import { isRecord } from "../json.ts";

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

function invalid(name: string, what: string, cause?: unknown): PetalfaceError {
  return new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${name} is not a valid safetensors file: ${what}`, { cause });
}

/** Whether a value is a shape, or a pair of offsets. */
export function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 64 && value.every((side) => Number.isSafeInteger(side) && side >= 0);
}

/** A value of a header as messages show it. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
