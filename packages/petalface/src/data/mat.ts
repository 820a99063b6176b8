import { inflateSync } from "node:zlib";
import { itemAt } from "onnx-grad";
import { PetalfaceError, systemCode } from "../errors.ts";
import { printPath } from "../images/index.ts";
import { refusePlaceholder } from "../placeholder.ts";
import { readWhole } from "./whole.ts";

/** What a variable of MATLAB can become here. */
export type MatValue =
  | { readonly kind: "numbers"; readonly data: Float64Array }
  /** One text a row. */
  | { readonly kind: "text"; readonly rows: readonly string[] }
  | { readonly kind: "cells"; readonly cells: readonly MatValue[] }
  /** Structures, sparse matrices, objects and functions, which no list of faces holds. */
  | { readonly kind: "unread" };

/** Lists of 200,000 names have 20 MB; files and what they unpack to are held below this. */
const largest = 256 * 2 ** 20;
/** A cell array of cell arrays of texts is two deep. */
const deepest = 8;
const headerBytes = 128;

/**
 * Types of data elements and classes of arrays (MathWorks, MAT-File Level 5 File Format, tables 1-1
 * and 1-3).
 */
const [matrix, compressed, utf8] = [14, 15, 16];
const [cellClass, charClass, firstNumeric, lastNumeric] = [1, 4, 6, 15];

interface Reader {
  readonly name: string;
  /** Bytes that may still be unpacked. */
  budget: number;
}

interface Element {
  readonly type: number;
  readonly bytes: Uint8Array;
  /** Where the next one begins. */
  readonly next: number;
}

/**
 * Reads the variables of a MATLAB file of version 5 to 7 (`save -v6`, `-v7`): numbers of any type,
 * texts and cell arrays of them, compressed or not, little-endian. Columns come first, as MATLAB
 * stores them.
 *
 * @throws PetalfaceError where the file is damaged, of another version or too large
 */
export async function readMat(path: string): Promise<ReadonlyMap<string, MatValue>> {
  const name = printPath(path);
  const bytes = await readWhole(path, name, [largest, "a list of faces"]);
  refusePlaceholder(bytes, name);
  if (isHdf5(bytes))
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} is a MATLAB file of version 7.3; save it with -v7`);
  if (bytes.length < headerBytes || bytes.toString("latin1", 126, 128) !== "IM")
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${name} is not a little-endian MATLAB file of version 5 to 7`);
  const reader: Reader = { name, budget: largest };
  const variables = new Map<string, MatValue>();
  for (let at = headerBytes; at + 8 <= bytes.length; ) {
    const element = readElement(reader, bytes, at);
    at = element.next;
    const inner = element.type === compressed ? inflate(reader, element.bytes) : element;
    if (inner.type !== matrix) continue;
    const { label, value } = readMatrix(reader, inner.bytes, 0);
    variables.set(label, value);
  }
  return variables;
}

/**
 * Whether a file is HDF5, as `save -v7.3` writes it: its signature stands at byte 0 or, behind a
 * header of the writer's own (512 bytes in MATLAB), at 512, 1024, 2048, ... (The HDF Group, HDF5
 * File Format Specification, section II.A).
 */
function isHdf5(bytes: Buffer): boolean {
  const signature = Buffer.from("\x89HDF\r\n\x1a\n", "latin1");
  for (let at = 0; at + signature.length <= bytes.length; at = at === 0 ? 512 : 2 * at)
    if (bytes.subarray(at, at + signature.length).equals(signature)) return true;
  return false;
}

const damaged = ({ name }: Reader, what: string): PetalfaceError =>
  new PetalfaceError("PETAL_DATA_DAMAGED", `${name} is a damaged MATLAB file: ${what}`);

function inflate(reader: Reader, bytes: Uint8Array): Element {
  let content: Buffer;
  try {
    content = inflateSync(bytes, { maxOutputLength: Math.max(1, reader.budget) });
  } catch (cause) {
    throw damaged(reader, `a compressed part cannot be unpacked (${systemCode(cause)})`);
  }
  reader.budget -= content.length;
  return readElement(reader, content, 0);
}

/** One element: its tag, of 8 bytes or, with the data inside, of 4, and its bytes. */
function readElement(reader: Reader, bytes: Uint8Array, at: number): Element {
  if (at + 8 > bytes.length) throw damaged(reader, "it ends too early");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = view.getUint32(at, true);
  const small = word >>> 16;
  if (small > 4) throw damaged(reader, `a small element announces ${small} bytes`);
  const length = small > 0 ? small : view.getUint32(at + 4, true);
  const start = small > 0 ? at + 4 : at + 8;
  if (start + length > bytes.length) throw damaged(reader, "it ends too early");
  const type = small > 0 ? word & 0xffff : word;
  const padded = type === compressed ? length : Math.ceil(length / 8) * 8;
  return { type, bytes: bytes.subarray(start, start + length), next: small > 0 ? at + 8 : start + padded };
}

function readMatrix(reader: Reader, bytes: Uint8Array, depth: number): { label: string; value: MatValue } {
  if (depth > deepest) throw damaged(reader, `cells lie more than ${deepest} deep in each other`);
  // An empty cell may have no content at all.
  if (bytes.length === 0) return { label: "", value: { kind: "numbers", data: new Float64Array() } };
  const flags = readElement(reader, bytes, 0);
  const shape = readElement(reader, bytes, flags.next);
  const label = readElement(reader, bytes, shape.next);
  const kind = flags.bytes[0] ?? 0;
  const sides = numbers(reader, shape);
  const count = sides.reduce((product, side) => product * side, 1);
  if (sides.some((side) => !Number.isInteger(side) || side < 0) || count > largest)
    throw damaged(reader, `an array has ${count} elements`);
  const value = readValue(reader, kind, sides, count, bytes, label.next, depth);
  return { label: Buffer.from(label.bytes).toString("latin1"), value };
}

function readValue(
  reader: Reader,
  kind: number,
  sides: Float64Array,
  count: number,
  bytes: Uint8Array,
  start: number,
  depth: number,
): MatValue {
  if (kind === cellClass) {
    const cells: MatValue[] = [];
    let at = start;
    for (let cell = 0; cell < count; cell++) {
      const element = readElement(reader, bytes, at);
      if (element.type !== matrix) throw damaged(reader, "a cell holds no array");
      cells.push(readMatrix(reader, element.bytes, depth + 1).value);
      at = element.next;
    }
    return { kind: "cells", cells };
  }
  if (kind !== charClass && (kind < firstNumeric || kind > lastNumeric)) return { kind: "unread" };
  if (count === 0)
    return kind === charClass ? { kind: "text", rows: [] } : { kind: "numbers", data: new Float64Array() };
  const element = readElement(reader, bytes, start);
  if (kind === charClass) return { kind: "text", rows: texts(reader, element, sides, count) };
  const data = numbers(reader, element);
  if (data.length !== count) throw damaged(reader, `an array of ${count} numbers holds ${data.length}`);
  return { kind: "numbers", data };
}

/**
 * The rows of a character array; they are stored column by column, shorter ones filled with blanks.
 */
function texts(reader: Reader, element: Element, sides: Float64Array, count: number): string[] {
  const letters =
    element.type === utf8
      ? [...Buffer.from(element.bytes).toString("utf8")]
      : Array.from(
          numbers(reader, { ...element, type: element.type === 17 ? 4 : element.type === 18 ? 6 : element.type }),
          (code) => String.fromCodePoint(Number.isInteger(code) && code >= 0 && code <= 0x10ffff ? code : 0xfffd),
        );
  if (letters.length !== count) throw damaged(reader, `a text of ${count} letters holds ${letters.length}`);
  const height = itemAt(sides, 0);
  return Array.from({ length: height }, (_, row) => {
    let text = "";
    for (let at = row; at < count; at += height) text += letters[at];
    return text.trimEnd();
  });
}

type Get = (view: DataView, at: number) => number;

/** How numbers of each element type are read, and how many bytes they take. */
const types: ReadonlyMap<number, readonly [number, Get]> = new Map<number, readonly [number, Get]>([
  [1, [1, (view, at) => view.getInt8(at)]],
  [2, [1, (view, at) => view.getUint8(at)]],
  [3, [2, (view, at) => view.getInt16(at, true)]],
  [4, [2, (view, at) => view.getUint16(at, true)]],
  [5, [4, (view, at) => view.getInt32(at, true)]],
  [6, [4, (view, at) => view.getUint32(at, true)]],
  [7, [4, (view, at) => view.getFloat32(at, true)]],
  [9, [8, (view, at) => view.getFloat64(at, true)]],
  [12, [8, (view, at) => Number(view.getBigInt64(at, true))]],
  [13, [8, (view, at) => Number(view.getBigUint64(at, true))]],
]);

function numbers(reader: Reader, { type, bytes }: Pick<Element, "type" | "bytes">): Float64Array {
  const known = types.get(type);
  if (known === undefined) throw damaged(reader, `numbers of type ${type}`);
  const [width, get] = known;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float64Array.from({ length: Math.floor(bytes.length / width) }, (_, at) => get(view, at * width));
}
