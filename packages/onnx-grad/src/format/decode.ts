import type { Dim, Shape } from "../graph/dim.ts";
import { bytesOf, dtypeOfCode, nameOfCode, tensorOfBytes } from "../graph/dtypes.ts";
import { unreadable } from "../graph/errors.ts";
import type { Attribute, Node, ValueType } from "../graph/graph.ts";
import { type Constant, type DType, type ExternalTensor, isExternal, sizeOf, type Tensor } from "../graph/tensor.ts";
import { MAX_RANK } from "../infer/call.ts";
import { withFile } from "./file.ts";
import type { AttributeProto, DimProto, NodeProto, TensorProto, ValueInfoProto } from "./proto.ts";
import { locate, type Source } from "./source.ts";

/**
 * Tensors in files that are no larger than this, and integer ones up to the second bound, are read
 * into memory.
 */
const INLINE = 1024;
const INLINE_INTEGERS = 1 << 20;

/**
 * The bytes of a constant; one that lies in a file is read. Throws OnnxGradError if the file does
 * not hold them.
 */
export function readTensor(constant: Constant): Tensor {
  if (!isExternal(constant)) return constant;
  const { file, offset, length, dtype, dims } = constant;
  const bytes = withFile(file, (open) => {
    if (offset + length > open.size) {
      throw unreadable(`${file}: ${length} bytes from ${offset} lie beyond its ${open.size} bytes; was it replaced?`);
    }
    return open.read(offset, length);
  });
  return tensorOfBytes(dtype, dims, bytes);
}

/** The constant behind a TensorProto of the model at `source`. `what` names it in errors. */
export function constantOfProto(tensor: TensorProto, source: Source, what: string): Constant {
  const fail = (message: string): never => {
    throw unreadable(`${source.path}: ${what} ${message}`);
  };
  const dtype =
    dtypeOfCode(tensor.dataType ?? 0) ??
    fail(`has element type ${nameOfCode(tensor.dataType ?? 0)}, which is not supported; export the model in float32`);
  const dims = (tensor.dims ?? []).map(Number);
  const size = sizeOf(dims);
  const possible = dims.length <= MAX_RANK && dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
  if (!possible || !Number.isSafeInteger(size * bytesOf(dtype))) {
    fail(`has impossible dimensions [${dims.slice(0, 8)}]`);
  }
  if (tensor.segment !== undefined && tensor.segment !== null) fail("is split into segments, which is not supported");
  const length = size * bytesOf(dtype);
  if (tensor.dataLocation === 1) {
    const external = externalOf(tensor, { dtype, dims, length }, source, fail);
    const integers = dtype === "int64" || dtype === "int32";
    return length <= (integers ? INLINE_INTEGERS : INLINE) ? readSmall(external, source) : external;
  }
  if (tensor.rawData !== undefined && tensor.rawData.length > 0) {
    if (tensor.rawData.length !== length) fail(`holds ${tensor.rawData.length} bytes but its shape needs ${length}`);
    return tensorOfBytes(dtype, dims, tensor.rawData);
  }
  return tensorOfNumbers(dtype, dims, size, tensor, fail);
}

function tensorOfNumbers(
  dtype: DType,
  dims: readonly number[],
  size: number,
  tensor: TensorProto,
  fail: (message: string) => never,
): Tensor {
  const field: Partial<Record<DType, readonly (number | string)[]>> = {
    float32: tensor.floatData ?? [],
    float64: tensor.doubleData ?? [],
    int64: tensor.int64Data ?? [],
  };
  const numbers = field[dtype] ?? tensor.int32Data ?? [];
  if (numbers.length !== size) fail(`holds ${numbers.length} numbers but its shape needs ${size}`);
  if (dtype === "int64") return { dtype, dims, data: BigInt64Array.from(numbers, BigInt) };
  const plain = numbers.map(Number);
  if (dtype === "float32") return { dtype, dims, data: Float32Array.from(plain) };
  if (dtype === "float64") return { dtype, dims, data: Float64Array.from(plain) };
  if (dtype === "float16") return { dtype, dims, data: Uint16Array.from(plain) };
  if (dtype === "int32") return { dtype, dims, data: Int32Array.from(plain) };
  if (dtype === "int8") return { dtype, dims, data: Int8Array.from(plain) };
  return { dtype, dims, data: Uint8Array.from(plain) };
}

/** Reads a tensor into memory as long as the model has room left for such. */
function readSmall(external: ExternalTensor, source: Source): Constant {
  if (external.length > source.room) return external;
  source.room -= external.length;
  return readTensor(external);
}

/** The range of a file that an external TensorProto names, checked against the file. */
function externalOf(
  tensor: TensorProto,
  { dtype, dims, length }: { dtype: DType; dims: readonly number[]; length: number },
  source: Source,
  fail: (message: string) => never,
): ExternalTensor {
  const entries = new Map((tensor.externalData ?? []).map(({ key, value }) => [key, value] as const));
  const location = entries.get("location") ?? "";
  const whole = (text: string): number => (/^\d{1,16}$/.test(text) ? Number(text) : Number.NaN);
  const offset = whole(entries.get("offset") ?? "0");
  const stated = whole(entries.get("length") ?? String(length));
  if (location === "") fail("lies in a file but does not say which");
  const found = locate(source, location);
  if (typeof found === "string") return fail(found);
  if (!Number.isSafeInteger(offset)) fail(`starts at offset ${entries.get("offset")} of its file`);
  if (stated !== length) fail(`has ${entries.get("length")} bytes in its file but its shape needs ${length}`);
  if (offset + length > found.size) {
    fail(
      `takes ${length} bytes from ${offset} of a file of ${found.size} bytes; the file is truncated or of another model`,
    );
  }
  return { dtype, dims, file: found.file, offset, length };
}

/** AttributeProto.AttributeType. */
const KIND = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8, graphs: 10 } as const;

/**
 * A node that is not typed yet. Constant nodes keep their value separately, because it may be in a
 * file.
 */
export interface DecodedNode {
  readonly node: Node;
  readonly constant?: Constant;
}

/**
 * The node behind a NodeProto. Throws OnnxGradError for subgraphs and attributes that cannot be
 * held.
 */
export function nodeOfProto(proto: NodeProto, source: Source): DecodedNode {
  const { path } = source;
  const op = proto.opType ?? "";
  const outputs = proto.output ?? [];
  const name = proto.name || outputs.find((output) => output !== "") || op;
  const what = `${op} node "${name}"`;
  const domain = proto.domain === "ai.onnx" ? "" : (proto.domain ?? "");
  const isConstant = op === "Constant" && domain === "";
  let constant: Constant | undefined;
  const attributes = new Map<string, Attribute>();
  for (const attribute of proto.attribute ?? []) {
    const key = attribute.name ?? "";
    if (attributes.has(key)) throw unreadable(`${path}: ${what} has the attribute "${key}" twice`);
    if (isConstant && key === "value" && attribute.t) {
      constant = constantOfProto(attribute.t, source, `value of ${what}`);
    } else {
      attributes.set(key, attributeOfProto(attribute, source, what));
    }
  }
  const node: Node = {
    op,
    domain,
    name,
    inputs: proto.input ?? [],
    outputs,
    attributes: Object.fromEntries(attributes),
  };
  return constant === undefined ? { node } : { node, constant };
}

function attributeOfProto(proto: AttributeProto, source: Source, what: string): Attribute {
  const fail = (message: string): never => {
    throw unreadable(`${source.path}: attribute "${proto.name}" of ${what} ${message}`);
  };
  if (proto.refAttrName) fail("refers to a function's attribute, which is not supported");
  const kind = proto.type || guessKind(proto);
  switch (kind) {
    case KIND.float:
      return { float: proto.f ?? 0 };
    case KIND.int:
      return { int: Number(proto.i ?? 0) };
    case KIND.string:
      return { string: Buffer.from(proto.s ?? []).toString("utf8") };
    case KIND.tensor:
      return { tensor: attributeTensor(proto.t ?? {}, source, `attribute "${proto.name}" of ${what}`) };
    case KIND.floats:
      return { floats: proto.floats ?? [] };
    case KIND.ints:
      return { ints: (proto.ints ?? []).map(Number) };
    case KIND.strings:
      return { strings: (proto.strings ?? []).map((bytes) => Buffer.from(bytes).toString("utf8")) };
    case KIND.graph:
    case KIND.graphs:
      return fail("is a subgraph; models with control flow (If, Loop, Scan) are not supported, export without it");
    default:
      return fail(`is of kind ${kind}, which is not supported`);
  }
}

/** The tensor in an attribute, which is held in memory and so must be small. */
function attributeTensor(proto: TensorProto, source: Source, what: string): Tensor {
  const constant = constantOfProto(proto, source, what);
  if (!isExternal(constant)) return constant;
  const small = constant.length <= INLINE_INTEGERS ? readSmall(constant, source) : constant;
  if (isExternal(small)) {
    throw unreadable(`${source.path}: ${what} holds ${constant.length} bytes; make it an initialiser`);
  }
  return small;
}

/** Models before IR version 2 leave the kind of an attribute to the field that is set. */
function guessKind(proto: AttributeProto): number {
  const set = (["f", "i", "s", "t", "g", "floats", "ints", "strings", "graphs"] as const).find((key) => key in proto);
  const kinds = { f: 1, i: 2, s: 3, t: 4, g: 5, floats: 6, ints: 7, strings: 8, graphs: 10 } as const;
  return set === undefined ? 0 : kinds[set];
}

/**
 * Shapes to give to inputs, by name or by what the model states of them (undefined: nothing);
 * undefined keeps what is stated.
 */
export type InputShapes =
  | Readonly<Record<string, Shape>>
  | ((name: string, stated: Shape | undefined) => Shape | undefined);

/**
 * The type of a graph input. Only the first dimension may be open; `shapes` can replace the stated
 * ones.
 */
export function typeOfInput(info: ValueInfoProto, path: string, shapes: InputShapes): ValueType {
  const tensor = info.type?.tensorType;
  const name = info.name ?? "";
  const what = `input "${name}"`;
  if (!tensor) throw unreadable(`${path}: ${what} is not a tensor`);
  const dtype = dtypeOfCode(tensor.elemType ?? 0);
  if (dtype === undefined) {
    throw unreadable(
      `${path}: ${what} has element type ${nameOfCode(tensor.elemType ?? 0)}, which is not supported; export the model in float32`,
    );
  }
  const dims = tensor.shape && (tensor.shape.dim ?? []);
  if (dims !== undefined && dims.length > MAX_RANK) throw unreadable(`${path}: ${what} has ${dims.length} dimensions`);
  const stated = dims?.map(dimOfProto);
  const given =
    typeof shapes === "function" ? shapes(name, stated) : Object.hasOwn(shapes, name) ? shapes[name] : undefined;
  if (given !== undefined) return { dtype, shape: given };
  if (stated === undefined)
    throw unreadable(`${path}: ${what} has no shape; export it with one (readModel takes one as an option)`);
  stated.forEach((dim, axis) => {
    if (typeof dim === "number" && !(dim >= 0 && Number.isSafeInteger(dim)))
      throw unreadable(`${path}: ${what} has ${dim} as dimension ${axis}`);
    if (typeof dim !== "number" && axis > 0)
      throw unreadable(
        `${path}: dimension ${axis} ("${dims?.[axis]?.dimParam ?? ""}") of ${what} is open; only dimension 0 may be, ` +
          "export it with fixed sizes (readModel takes them as an option)",
      );
  });
  return { dtype, shape: stated };
}

/** A dimension as ONNX writes it; `25*N` is what onnx-grad writes for 25 times the batch. */
function dimOfProto(dim: DimProto): Dim {
  if (dim.dimValue !== undefined) return Number(dim.dimValue);
  const [, times, symbol] = /^(\d{1,9})\*(.+)$/.exec(dim.dimParam ?? "") ?? [];
  if (times !== undefined && symbol !== undefined) return { symbol, times: Number(times) };
  const name = dim.dimParam ?? "";
  return { symbol: name === "" || name === "?" ? "N" : name, times: 1 };
}
