import { bytesOf, dtypeOfCode } from "./dtypes.ts";
import { OnnxGradError } from "./errors.ts";
import type { PositionedFile } from "./file.ts";
import { encodeHeader, type Field, wireWalker } from "./wire.ts";

/** Location that {@link thinModel} gives to tensors whose numbers lie in the model file itself. No file can have this name. */
export const SELF = "\0";

/** Tensors up to this many bytes stay inline. */
const KEEP = 1024;
/** Integer tensors are shapes, indices and axes, which shape inference must read; they stay inline up to this size. */
const KEEP_INTEGERS = 1 << 20;
/** What may be left of a model without its weights. */
const MAX_THIN = 64 << 20;

/** Fields of the ONNX messages that the walk looks at or leaves out (schema/onnx.proto). */
const MODEL = { graph: 7, docString: 6, training: 20, functions: 25 } as const;
const GRAPH = { node: 1, initializer: 5, docString: 10, valueInfo: 13, quantization: 14 } as const;
const NODE = { attribute: 5, docString: 6 } as const;
const ATTRIBUTE = { tensor: 5, docString: 13 } as const;
const TENSOR = {
  dataType: 2,
  floatData: 4,
  rawData: 9,
  doubleData: 10,
  docString: 12,
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
 * The model without its big tensors: each is replaced by external data that points at {@link SELF}, so that no weight passes
 * through protobuf or JavaScript. Comments and stated value types are left out too. Reads the file in chunks.
 * Throws OnnxGradError if the file is truncated, is no protobuf or is too large without its weights.
 */
export function thinModel(file: PositionedFile): Uint8Array {
  const fields = wireWalker(file);

  const keep = (message: Message, field: Field): void => {
    const last = message.pieces.at(-1);
    if (last !== undefined && "to" in last && last.to === field.start) last.to = field.end;
    else message.pieces.push({ from: field.start, to: field.end });
    grow(message, field.end - field.start);
  };
  const add = (message: Message, number: number, body: readonly Piece[], length: number): void => {
    const header = encodeHeader(number, length);
    for (const piece of [header, ...body]) message.pieces.push(piece);
    grow(message, header.length + length);
  };
  const grow = (message: Message, length: number): void => {
    message.length += length;
    if (message.length > MAX_THIN)
      throw new OnnxGradError(`${file.path}: more than ${MAX_THIN} bytes besides its weights`);
  };
  /** Rebuilds a message: fields of `drop` go, fields of `visit` are rebuilt, all others stay. */
  const rebuild = (
    start: number,
    end: number,
    drop: readonly number[],
    visit: Readonly<Record<number, (start: number, end: number) => Message>>,
  ): Message => {
    const message: Message = { pieces: [], length: 0 };
    for (const field of fields(start, end)) {
      const inner = visit[field.number];
      if (field.wire === 2 && drop.includes(field.number)) continue;
      if (field.wire !== 2 || inner === undefined) keep(message, field);
      else {
        const { pieces, length } = inner(field.body, field.end);
        // Nothing was left out: one range of the file says the same.
        if (length === field.end - field.body) keep(message, field);
        else add(message, field.number, pieces, length);
      }
    }
    return message;
  };

  const tensor = (start: number, end: number): Message => {
    const all = [...fields(start, end)];
    const code = all.findLast((field) => field.number === TENSOR.dataType && field.wire === 0)?.value ?? 0;
    const dtype = dtypeOfCode(code);
    const packed = dtype === "float32" ? TENSOR.floatData : dtype === "float64" ? TENSOR.doubleData : TENSOR.rawData;
    const bodies = all.filter(
      ({ number, wire }) => wire === 2 && (number === TENSOR.rawData || number === packed) && number > 0,
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
      const left = field.number === TENSOR.docString || (big && field === body);
      const replaced = big && (field.number === TENSOR.external || field.number === TENSOR.place);
      if (!left && !replaced) keep(message, field);
    }
    if (big) {
      const entries = { location: SELF, offset: String(body.body), length: String(body.end - body.body) };
      for (const [key, value] of Object.entries(entries)) {
        const entry = Buffer.concat([text(1, key), text(2, value)]);
        add(message, TENSOR.external, [entry], entry.length);
      }
      const external = Uint8Array.of(TENSOR.place * 8, 1);
      message.pieces.push(external);
      grow(message, external.length);
    }
    return message;
  };
  const attribute = (start: number, end: number): Message =>
    rebuild(start, end, [ATTRIBUTE.docString], { [ATTRIBUTE.tensor]: tensor });
  const node = (start: number, end: number): Message =>
    rebuild(start, end, [NODE.docString], { [NODE.attribute]: attribute });
  const graph = (start: number, end: number): Message =>
    rebuild(start, end, [GRAPH.docString, GRAPH.valueInfo, GRAPH.quantization], {
      [GRAPH.node]: node,
      [GRAPH.initializer]: tensor,
    });
  const model = rebuild(0, file.size, [MODEL.docString, MODEL.training], { [MODEL.graph]: graph });

  const bytes = Buffer.alloc(model.length);
  let at = 0;
  for (const piece of model.pieces) {
    const part = "to" in piece ? file.read(piece.from, piece.to - piece.from) : piece;
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const text = (number: number, value: string): Uint8Array =>
  Buffer.concat([encodeHeader(number, Buffer.byteLength(value)), Buffer.from(value)]);
