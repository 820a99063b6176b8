import protobuf from "protobufjs/minimal.js";
import { unreadable } from "../graph/errors.ts";
import { readMessage, writeMessage } from "./message.ts";

/**
 * Messages of schema/onnx.proto as plain objects: 64-bit integers as decimal strings, absent fields
 * undefined.
 */
export interface ModelProto {
  irVersion?: string;
  producerName?: string;
  opsetImport?: { domain?: string; version?: string }[];
  graph?: GraphProto;
  metadataProps?: { key?: string; value?: string }[];
  functions?: unknown[];
}

/** A computation graph. */
export interface GraphProto {
  name?: string;
  node?: NodeProto[];
  initializer?: TensorProto[];
  sparseInitializer?: unknown[];
  input?: ValueInfoProto[];
  output?: ValueInfoProto[];
}

/** A named value and its type. */
export interface ValueInfoProto {
  name?: string;
  type?: { tensorType?: { elemType?: number; shape?: { dim?: DimProto[] } } };
}

/** A dimension: a number, a name or open. */
export interface DimProto {
  dimValue?: string;
  dimParam?: string;
}

/** One operator application. */
export interface NodeProto {
  input?: string[];
  output?: string[];
  name?: string;
  opType?: string;
  domain?: string;
  attribute?: AttributeProto[];
}

/** An attribute; `type` says which field counts. */
export interface AttributeProto {
  name?: string;
  type?: number;
  refAttrName?: string;
  f?: number;
  i?: string;
  s?: Uint8Array;
  t?: TensorProto;
  g?: unknown;
  floats?: number[];
  ints?: string[];
  strings?: Uint8Array[];
  graphs?: unknown[];
}

/** A tensor whose numbers lie in one of several fields or in a file. */
export interface TensorProto {
  name?: string;
  dims?: string[];
  dataType?: number;
  segment?: unknown;
  rawData?: Uint8Array;
  floatData?: number[];
  doubleData?: number[];
  int32Data?: number[];
  int64Data?: string[];
  externalData?: { key?: string; value?: string }[];
  dataLocation?: number;
}

/** Decodes a ModelProto. Throws OnnxGradError if the bytes are none. */
export function decodeProto(bytes: Uint8Array, path: string): ModelProto {
  try {
    return readMessage(bytes, "model");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw unreadable(`${path}: not a readable ONNX model (${why})`, { cause: error });
  }
}

/** Encodes one of the messages that models are written from. */
export function encodeProto(kind: "model", message: ModelProto): Uint8Array;
export function encodeProto(kind: "graph", message: GraphProto): Uint8Array;
export function encodeProto(kind: "node", message: NodeProto): Uint8Array;
export function encodeProto(kind: "attribute", message: AttributeProto): Uint8Array;
export function encodeProto(kind: "tensor", message: TensorProto): Uint8Array;
export function encodeProto(kind: "model" | "graph" | "node" | "attribute" | "tensor", message: object): Uint8Array {
  return writeMessage(protobuf.Writer.create(), kind, { ...message }).finish();
}
