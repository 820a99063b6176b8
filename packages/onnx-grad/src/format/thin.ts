import { bytesOf, dtypeOfCode } from "../graph/dtypes.ts";
import { unreadable } from "../graph/errors.ts";
import type { DType } from "../graph/tensor.ts";
import type { PositionedFile } from "./file.ts";
import { encodeHeader, type Field, wireWalker } from "./wire.ts";

/**
 * Location that {@link thinModel} gives to tensors whose numbers lie in the model file itself. No
 * file can have this name.
 */
export const SELF = "\0";

/** Tensors up to this many bytes stay inline. */
const KEEP = 1024;
/**
 * Integer tensors are shapes, indices and axes, which shape inference must read; they stay inline
 * up to this size.
 */
const KEEP_INTEGERS = 1 << 20;
/** What may be left of a model without its weights. */
const MAX_THIN = 64 << 20;
/** Fields of one tensor; honest ones have some ten. */
const MAX_TENSOR_FIELDS = 1 << 16;
/** Bytes of runs of varints: protobuf makes an object of tens of bytes of each. */
const MAX_VARINTS = 2 << 20;

/** Fields of TensorProto that need a look (schema/onnx.proto). */
const TENSOR = {
  dims: 1,
  dataType: 2,
  segment: 3,
  floatData: 4,
  int32Data: 5,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  external: 13,
  place: 14,
} as const;

type Piece = { readonly from: number; to: number } | Uint8Array;

/** A message being rebuilt: pieces of the file and new bytes. */
interface Message {
  readonly pieces: Piece[];
  length: number;
}

/**
 * What happens to a field: `true` keeps it, `"varints"` keeps a run of bounded length, `"empty"`
 * keeps that it is there but not what is in it, a function rebuilds the message in it. Fields
 * without a plan are left out.
 */
type Plan = Readonly<Record<number, true | "varints" | "empty" | ((start: number, end: number) => Message)>>;

/**
 * The model as far as `readModel` reads it. Big tensors are replaced by external data that points
 * at {@link SELF}, so that no weight passes through protobuf or JavaScript. Comments, stated value
 * types and all that is not read (subgraphs, functions, sequence types) are left out or emptied, so
 * what protobuf decodes nests no deeper than the plans below and has as many parts as were counted
 * here. Reads the file in chunks. Throws OnnxGradError if the file is truncated, is not protobuf or
 * is too large without its weights.
 */
export function thinModel(file: PositionedFile): Uint8Array {
  const fields = wireWalker(file);
  let varints = 0;

  const keep = (message: Message, field: Field): void => {
    const last = message.pieces.at(-1);
    if (last !== undefined && "to" in last && last.to === field.start) last.to = field.end;
    else message.pieces.push({ from: field.start, to: field.end });
    grow(message, field.end - field.start);
  };
  const add = (message: Message, number: number, body: readonly Piece[], length: number): void => {
    const header = encodeHeader(number, length);
    message.pieces.push(header);
    for (const piece of body) message.pieces.push(piece);
    grow(message, header.length + length);
  };
  const grow = (message: Message, length: number): void => {
    message.length += length;
    if (message.length > MAX_THIN)
      throw unreadable(`${file.path}: more than ${MAX_THIN} bytes besides its weights; it is not a usable ONNX model`);
  };
  const keepVarints = (message: Message, field: Field): void => {
    if (field.wire === 2) varints += field.end - field.body;
    if (varints > MAX_VARINTS)
      throw unreadable(
        `${file.path}: more than ${MAX_VARINTS} bytes of whole numbers one by one; save the model with raw tensor data`,
      );
    keep(message, field);
  };
  const rebuild = (start: number, end: number, plan: Plan): Message => {
    const message: Message = { pieces: [], length: 0 };
    for (const field of fields(start, end)) {
      const what = plan[field.number];
      if (what === true) keep(message, field);
      else if (what === "varints") keepVarints(message, field);
      else if (what === "empty") add(message, field.number, [], 0);
      else if (what !== undefined && field.wire === 2) {
        const { pieces, length } = what(field.body, field.end);
        // Nothing was left out: one range of the file says the same.
        if (length === field.end - field.body) keep(message, field);
        else add(message, field.number, pieces, length);
      }
    }
    return message;
  };
  const planned =
    (plan: Plan) =>
    (start: number, end: number): Message =>
      rebuild(start, end, plan);

  const entry = planned({ 1: true, 2: true });
  const tensor = (start: number, end: number): Message => {
    const all: Field[] = [];
    for (const field of fields(start, end)) {
      if (all.push(field) > MAX_TENSOR_FIELDS) throw unreadable(`${file.path}: a tensor has too many fields`);
    }
    const code = all.findLast((field) => field.number === TENSOR.dataType && field.wire === 0)?.value ?? 0;
    const dtype = dtypeOfCode(code);
    const packed: Partial<Record<DType, number>> = {
      float32: TENSOR.floatData,
      float64: TENSOR.doubleData,
      int64: TENSOR.int64Data,
    };
    const typed = (dtype && packed[dtype]) ?? TENSOR.int32Data;
    const ofFloats = typed === TENSOR.floatData || typed === TENSOR.doubleData;
    const bodies = all.filter(
      ({ number, wire }) => wire === 2 && (number === TENSOR.rawData || (ofFloats && number === typed)),
    );
    const [body] = bodies;
    const limit = dtype === "int64" || dtype === "int32" ? KEEP_INTEGERS : KEEP;
    const big =
      dtype !== undefined &&
      bodies.length === 1 &&
      body !== undefined &&
      body.end - body.body > limit &&
      (body.end - body.body) % bytesOf(dtype) === 0;
    const message: Message = { pieces: [], length: 0 };
    for (const field of all) {
      const { number } = field;
      if (number === TENSOR.dataType || number === TENSOR.name) keep(message, field);
      else if (number === TENSOR.dims) keepVarints(message, field);
      else if (number === TENSOR.segment) add(message, number, [], 0);
      else if (big) continue;
      else if (number === TENSOR.rawData || number === TENSOR.place || (ofFloats && number === typed))
        keep(message, field);
      else if (number === typed) keepVarints(message, field);
      else if (number === TENSOR.external && field.wire === 2) {
        const { pieces, length } = entry(field.body, field.end);
        add(message, number, pieces, length);
      }
    }
    if (big) {
      const entries = { location: SELF, offset: String(body.body), length: String(body.end - body.body) };
      for (const [key, value] of Object.entries(entries)) {
        const bytes = Buffer.concat([text(1, key), text(2, value)]);
        add(message, TENSOR.external, [bytes], bytes.length);
      }
      const external = Uint8Array.of(TENSOR.place * 8, 1);
      message.pieces.push(external);
      grow(message, external.length);
    }
    return message;
  };
  // Names, kinds and numbers stay; subgraphs (6, 11), sparse tensors (22, 23), types (14, 15) and
  // lists of tensors (10) are emptied.
  const attribute = planned({
    1: true,
    2: true,
    3: true,
    4: true,
    5: tensor,
    6: "empty",
    7: true,
    8: "varints",
    9: true,
    10: "empty",
    11: "empty",
    14: "empty",
    15: "empty",
    20: true,
    21: true,
    22: "empty",
    23: "empty",
  });
  const node = planned({ 1: true, 2: true, 3: true, 4: true, 5: attribute, 7: true });
  const dim = planned({ 1: true, 2: true });
  const tensorType = planned({ 1: true, 2: planned({ 1: dim }) });
  const input = planned({ 1: true, 2: planned({ 1: tensorType }) });
  const graph = planned({ 1: node, 2: true, 5: tensor, 11: input, 12: planned({ 1: true }), 15: "empty" });
  const model = rebuild(0, file.size, { 1: true, 7: graph, 8: planned({ 1: true, 2: true }), 14: entry, 25: "empty" });

  const bytes = Buffer.alloc(model.length);
  const read = windowed(file);
  let at = 0;
  for (const piece of model.pieces) {
    const part = "to" in piece ? read(piece.from, piece.to - piece.from) : piece;
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/**
 * Reads ranges of a file through a window, so that many small ones near each other cost few reads.
 */
function windowed(file: PositionedFile): (offset: number, length: number) => Uint8Array {
  let window: Uint8Array = new Uint8Array(0);
  let start = 0;
  return (offset, length) => {
    if (length > 1 << 18) return file.read(offset, length);
    if (offset < start || offset + length > start + window.length) {
      start = offset;
      window = file.read(offset, Math.min(1 << 18, file.size - offset));
    }
    return window.subarray(offset - start, offset - start + length);
  };
}

const text = (number: number, value: string): Uint8Array =>
  Buffer.concat([encodeHeader(number, Buffer.byteLength(value)), Buffer.from(value)]);
