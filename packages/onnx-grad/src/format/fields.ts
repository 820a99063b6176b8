/** How the numbers and texts of a field are written; `int32` is also that of enumerations. */
export type ScalarKind = "int32" | "int64" | "float" | "double" | "string" | "bytes";

/** Messages of schema/onnx.proto; `other` stands for those that are not looked into. */
export type MessageKind =
  | "model"
  | "opset"
  | "entry"
  | "graph"
  | "node"
  | "attribute"
  | "tensor"
  | "value"
  | "type"
  | "tensorType"
  | "shape"
  | "dim"
  | "other";

/** A field of a message. */
export interface FieldRule {
  readonly id: number;
  readonly name: string;
  readonly kind: ScalarKind | MessageKind;
  /** A list: an element after the other, or all in one run of bytes. Both are read. */
  readonly list?: "single" | "packed";
}

type Row = readonly [id: number, name: string, kind: FieldRule["kind"], list?: FieldRule["list"]];

const rules = (...rows: readonly Row[]): readonly FieldRule[] =>
  rows.map(([id, name, kind, list]) => ({ id, name, kind, ...(list && { list }) }));

/**
 * The fields that are read or written, ascending: those of schema/onnx.proto, with which a test
 * compares them. Reading that file and making functions of it would take 50 ms at every start.
 */
export const fieldRules: Readonly<Record<MessageKind, readonly FieldRule[]>> = {
  model: rules(
    [1, "irVersion", "int64"],
    [2, "producerName", "string"],
    [7, "graph", "graph"],
    [8, "opsetImport", "opset", "single"],
    [14, "metadataProps", "entry", "single"],
    [25, "functions", "other", "single"],
  ),
  opset: rules([1, "domain", "string"], [2, "version", "int64"]),
  entry: rules([1, "key", "string"], [2, "value", "string"]),
  graph: rules(
    [1, "node", "node", "single"],
    [2, "name", "string"],
    [5, "initializer", "tensor", "single"],
    [11, "input", "value", "single"],
    [12, "output", "value", "single"],
    [15, "sparseInitializer", "other", "single"],
  ),
  node: rules(
    [1, "input", "string", "single"],
    [2, "output", "string", "single"],
    [3, "name", "string"],
    [4, "opType", "string"],
    [5, "attribute", "attribute", "single"],
    [7, "domain", "string"],
  ),
  attribute: rules(
    [1, "name", "string"],
    [2, "f", "float"],
    [3, "i", "int64"],
    [4, "s", "bytes"],
    [5, "t", "tensor"],
    [6, "g", "graph"],
    [7, "floats", "float", "single"],
    [8, "ints", "int64", "single"],
    [9, "strings", "bytes", "single"],
    [11, "graphs", "graph", "single"],
    [20, "type", "int32"],
    [21, "refAttrName", "string"],
  ),
  tensor: rules(
    [1, "dims", "int64", "single"],
    [2, "dataType", "int32"],
    [3, "segment", "other"],
    [4, "floatData", "float", "packed"],
    [5, "int32Data", "int32", "packed"],
    [7, "int64Data", "int64", "packed"],
    [8, "name", "string"],
    [9, "rawData", "bytes"],
    [10, "doubleData", "double", "packed"],
    [13, "externalData", "entry", "single"],
    [14, "dataLocation", "int32"],
  ),
  value: rules([1, "name", "string"], [2, "type", "type"]),
  type: rules([1, "tensorType", "tensorType"]),
  tensorType: rules([1, "elemType", "int32"], [2, "shape", "shape"]),
  shape: rules([1, "dim", "dim", "single"]),
  dim: rules([1, "dimValue", "int64"], [2, "dimParam", "string"]),
  other: [],
};
