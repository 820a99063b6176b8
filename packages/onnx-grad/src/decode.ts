import { realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Dim, Shape } from "./dim.ts";
import { bytesOf, dtypeOfCode, tensorOfBytes } from "./dtypes.ts";
import { OnnxGradError } from "./errors.ts";
import { withFile } from "./file.ts";
import type { Attribute, Node, ValueType } from "./graph.ts";
import { MAX_RANK } from "./infer/call.ts";
import type { AttributeProto, DimProto, NodeProto, TensorProto, ValueInfoProto } from "./proto.ts";
import { type Constant, type DType, type ExternalTensor, isExternal, sizeOf, type Tensor } from "./tensor.ts";
import { SELF } from "./thin.ts";

/** Tensors in files that are no larger than this, and integer ones up to the second bound, are read into memory. */
const INLINE = 1024;
const INLINE_INTEGERS = 1 << 20;

/** The bytes of a constant; one that lies in a file is read. Throws OnnxGradError if the file does not hold them. */
export function readTensor(constant: Constant): Tensor {
  if (!isExternal(constant)) return constant;
  const { file, offset, length, dtype, dims } = constant;
  const bytes = withFile(file, (open) => {
    if (offset + length > open.size) {
      throw new OnnxGradError(
        `${file}: ${length} bytes from ${offset} lie beyond its ${open.size} bytes; was it replaced?`,
      );
    }
    return open.read(offset, length);
  });
  return tensorOfBytes(dtype, dims, bytes);
}

/** The constant behind a TensorProto of the model at `path`. `what` names it in errors. */
export function constantOfProto(tensor: TensorProto, path: string, what: string): Constant {
  const fail = (message: string): never => {
    throw new OnnxGradError(`${path}: ${what} ${message}`);
  };
  const dtype =
    dtypeOfCode(tensor.dataType ?? 0) ?? fail(`has element type ${tensor.dataType}, which is not supported`);
  const dims = (tensor.dims ?? []).map(Number);
  const size = sizeOf(dims);
  if (dims.length > MAX_RANK || dims.some((dim) => !(dim >= 0)) || !Number.isSafeInteger(size)) {
    fail(`has impossible dimensions [${dims.slice(0, 8)}]`);
  }
  if (tensor.segment !== undefined && tensor.segment !== null) fail("is split into segments, which is not supported");
  const length = size * bytesOf(dtype);
  if (tensor.dataLocation === 1) {
    const external = externalOf(tensor, { dtype, dims, length }, path, fail);
    const integers = dtype === "int64" || dtype === "int32";
    return length <= (integers ? INLINE_INTEGERS : INLINE) ? readTensor(external) : external;
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
  const field = { float32: tensor.floatData, float64: tensor.doubleData, int64: tensor.int64Data };
  const numbers: readonly (number | string)[] =
    (dtype in field ? field[dtype as keyof typeof field] : tensor.int32Data) ?? [];
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

/** The range of a file that an external TensorProto names, checked against the file. */
function externalOf(
  tensor: TensorProto,
  { dtype, dims, length }: { dtype: DType; dims: readonly number[]; length: number },
  path: string,
  fail: (message: string) => never,
): ExternalTensor {
  const entries = new Map((tensor.externalData ?? []).map(({ key, value }) => [key, value] as const));
  const location = entries.get("location") ?? "";
  const offset = Number(entries.get("offset") ?? 0);
  const stated = Number(entries.get("length") ?? length);
  if (location === "") fail("lies in a file but does not say which");
  const parts = location.split(/[\\/]/);
  if (location !== SELF && (location.includes("\0") || parts.includes("..") || /^([\\/]|[A-Za-z]:)/.test(location))) {
    fail(`lies in "${location.slice(0, 200)}", which is outside the model's folder`);
  }
  const file = location === SELF ? resolve(path) : resolve(join(dirname(path), ...parts));
  if (!Number.isSafeInteger(offset) || offset < 0) fail(`starts at offset ${entries.get("offset")} of its file`);
  if (stated !== length) fail(`has ${stated} bytes in its file but its shape needs ${length}`);
  const size = fileSize(file);
  if (size === undefined) fail(`lies in "${location}", which is no file beside the model`);
  if (offset + length > (size ?? 0)) {
    fail(`takes ${length} bytes from ${offset} of a file of ${size} bytes; the file is truncated or of another model`);
  }
  return { dtype, dims, file: realpathSync(file), offset, length };
}

function fileSize(file: string): number | undefined {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat?.isFile() ? stat.size : undefined;
}

/** AttributeProto.AttributeType. */
const KIND = { float: 1, int: 2, string: 3, tensor: 4, graph: 5, floats: 6, ints: 7, strings: 8, graphs: 10 } as const;

/** A node that is not typed yet. Constant nodes keep their value beside it, for it may lie in a file. */
export interface DecodedNode {
  readonly node: Node;
  readonly constant?: Constant;
}

/** The node behind a NodeProto. Throws OnnxGradError for subgraphs and attributes that cannot be held. */
export function nodeOfProto(proto: NodeProto, path: string): DecodedNode {
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
    if (attributes.has(key)) throw new OnnxGradError(`${path}: ${what} has the attribute "${key}" twice`);
    if (isConstant && key === "value" && attribute.t) {
      constant = constantOfProto(attribute.t, path, `value of ${what}`);
    } else {
      attributes.set(key, attributeOfProto(attribute, path, what));
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

function attributeOfProto(proto: AttributeProto, path: string, what: string): Attribute {
  const fail = (message: string): never => {
    throw new OnnxGradError(`${path}: attribute "${proto.name}" of ${what} ${message}`);
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
      return { tensor: readTensor(constantOfProto(proto.t ?? {}, path, `attribute "${proto.name}" of ${what}`)) };
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

/** Models before IR version 2 leave the kind of an attribute to the field that is set. */
function guessKind(proto: AttributeProto): number {
  const set = (["f", "i", "s", "t", "g", "floats", "ints", "strings", "graphs"] as const).find((key) => key in proto);
  const kinds = { f: 1, i: 2, s: 3, t: 4, g: 5, floats: 6, ints: 7, strings: 8, graphs: 10 } as const;
  return set === undefined ? 0 : kinds[set];
}

/** The type of a graph input. Only the first dimension may be open; `given` replaces the stated shape. */
export function typeOfInput(info: ValueInfoProto, path: string, given: Shape | undefined): ValueType {
  const tensor = info.type?.tensorType;
  const what = `input "${info.name}"`;
  if (!tensor) throw new OnnxGradError(`${path}: ${what} is no tensor`);
  const dtype = dtypeOfCode(tensor.elemType ?? 0);
  if (dtype === undefined) {
    throw new OnnxGradError(`${path}: ${what} has element type ${tensor.elemType}, which is not supported`);
  }
  if (given !== undefined) return { dtype, shape: given };
  if (!tensor.shape)
    throw new OnnxGradError(`${path}: ${what} has no shape; give one: { shapes: { "${info.name}": [...] } }`);
  const shape = (tensor.shape.dim ?? []).map((dim, axis) => {
    const result = dimOfProto(dim);
    if (typeof result === "number" && result >= 0 && Number.isSafeInteger(result)) return result;
    if (typeof result === "number") throw new OnnxGradError(`${path}: ${what} has ${result} as dimension ${axis}`);
    if (axis === 0) return result;
    throw new OnnxGradError(
      `${path}: dimension ${axis} ("${dim.dimParam ?? ""}") of ${what} is open; only dimension 0 may be, ` +
        `fix the others: { shapes: { "${info.name}": [...] } }`,
    );
  });
  return { dtype, shape };
}

/** A dimension as ONNX writes it; `25*N` is what onnx-grad writes for 25 times the batch. */
function dimOfProto(dim: DimProto): Dim {
  if (dim.dimValue !== undefined) return Number(dim.dimValue);
  const [, times, symbol] = /^(\d{1,9})\*(.+)$/.exec(dim.dimParam ?? "") ?? [];
  if (times !== undefined && symbol !== undefined) return { symbol, times: Number(times) };
  const name = dim.dimParam ?? "";
  return { symbol: name === "" || name === "?" ? "N" : name, times: 1 };
}
