import { createReadStream } from "node:fs";
import { bodiesOf } from "../graph/attributes.ts";
import { printDim, type Shape } from "../graph/dim.ts";
import { bytesOfTensor, dtypeCode } from "../graph/dtypes.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Attribute, Graph, Node, ValueType } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { type Constant, type ExternalTensor, isExternal, type Tensor } from "../graph/tensor.ts";
import { type AttributeProto, encodeProto, type NodeProto, type TensorProto, type ValueInfoProto } from "./proto.ts";
import { encodeHeader } from "./wire.ts";

/** Bytes that come from elsewhere while the model is written: as many as `length` says. */
export interface StreamedPart {
  readonly name: string;
  readonly length: number;
  readonly stream: () => AsyncIterable<Uint8Array>;
}

/** A run of bytes of a model to be: in memory, a range of a file, or streamed. */
export type Part = Uint8Array | ExternalTensor | StreamedPart;

/** A place outside the model file, relative to its folder. */
export interface Location {
  readonly location: string;
  readonly offset: number;
}

/** protobuf cannot hold messages of 2 GiB. */
const MAX_MESSAGE = 2 ** 31 - 1;
const GRAPH_FIELD = 7;
const INITIALIZER_FIELD = 5;
const RAW_DATA_FIELD = 9;
/**
 * `node` of GraphProto, `attribute` of NodeProto, `g` of AttributeProto, and the kind of a graph.
 */
const NODE_FIELD = 1;
const ATTRIBUTE_FIELD = 5;
const ATTRIBUTE_GRAPH_FIELD = 6;
const GRAPH_KIND = 5;

/**
 * The model as a sequence of parts. Constants that `locate` gives a place to become external data;
 * the others go inline, those in files as parts that name the range, so that a writer can stream
 * them. `contents` replaces what constants hold, byte for byte. `places` gets the first byte of
 * the data of each constant of the graph that is inline.
 */
export function modelParts(
  graph: Graph,
  locate: (name: string, constant: Constant) => Location | undefined,
  contents?: undefined,
  places?: Map<string, number>,
): Exclude<Part, StreamedPart>[];
export function modelParts(
  graph: Graph,
  locate: (name: string, constant: Constant) => Location | undefined,
  contents: ReadonlyMap<string, StreamedPart["stream"]> | undefined,
): Part[];
export function modelParts(
  graph: Graph,
  locate: (name: string, constant: Constant) => Location | undefined,
  contents: ReadonlyMap<string, StreamedPart["stream"]> = new Map(),
  places?: Map<string, number>,
): Part[] {
  const inBody = new Map<string, number>();
  const body = graphParts(graph, locate, contents, inBody);
  const length = lengthOf(body);
  const parts = [encodeProto("model", modelHeader(graph)), encodeHeader(GRAPH_FIELD, length), ...body];
  if (length > MAX_MESSAGE - itemAt(parts, 0).length - 16) {
    throw new OnnxGradError(
      `model "${graph.name}" has ${length} bytes; one ONNX file holds 2 GiB, write its weights as external data`,
    );
  }
  const start = lengthOf(parts) - length;
  for (const [name, place] of inBody) places?.set(name, start + place);
  return parts;
}

const lengthOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.length, 0);

/** The fields of a GraphProto. */
function graphParts(
  graph: Graph,
  locate: (name: string, constant: Constant) => Location | undefined,
  contents: ReadonlyMap<string, StreamedPart["stream"]>,
  places: Map<string, number>,
): Part[] {
  const body: Part[] = [];
  let plain: Node[] = [];
  const flush = (): void => {
    if (plain.length > 0) body.push(encodeProto("graph", { node: plain.map(nodeProto) }));
    plain = [];
  };
  for (const node of graph.nodes) {
    if (bodiesOf(node).length === 0) {
      plain.push(node);
      continue;
    }
    flush();
    const parts = controlParts(node, (inner) => graphParts(inner, locate, contents, new Map()));
    body.push(encodeHeader(NODE_FIELD, lengthOf(parts)), ...parts);
  }
  flush();
  body.push(
    encodeProto("graph", {
      name: graph.name,
      input: graph.inputs.map((name) => valueProto(name, graph)),
      output: graph.outputs.map((name) => valueProto(name, graph)),
    }),
  );
  let written = lengthOf(body);
  for (const [name, constant] of graph.constants) {
    const place = locate(name, constant);
    const header = encodeProto("tensor", tensorHeader(name, constant, place));
    if (place !== undefined) {
      const outer = encodeHeader(INITIALIZER_FIELD, header.length);
      body.push(outer, header);
      written += outer.length + header.length;
      continue;
    }
    const stream = contents.get(name);
    const external = isExternal(constant) ? constant : bytesOfTensor(constant);
    const data = stream === undefined ? external : { name, length: external.length, stream };
    const dataHeader = encodeHeader(RAW_DATA_FIELD, data.length);
    const length = header.length + dataHeader.length + data.length;
    const outer = encodeHeader(INITIALIZER_FIELD, length);
    body.push(outer, header, dataHeader, data);
    written += outer.length + length;
    places.set(name, written - data.length);
  }
  return body;
}

/**
 * The fields of a NodeProto whose attributes hold graphs: their weights are streamed like others.
 */
function controlParts(node: Node, partsOf: (body: Graph) => Part[]): Part[] {
  const attributes = Object.entries(node.attributes);
  const plain = Object.fromEntries(attributes.filter(([, value]) => !("graph" in value)));
  const parts: Part[] = [encodeProto("node", nodeProto({ ...node, attributes: plain }))];
  for (const [name, value] of attributes) {
    if (!("graph" in value)) continue;
    const body = partsOf(value.graph);
    const header = encodeProto("attribute", { name, type: GRAPH_KIND });
    const bodyHeader = encodeHeader(ATTRIBUTE_GRAPH_FIELD, lengthOf(body));
    const length = header.length + bodyHeader.length + lengthOf(body);
    parts.push(encodeHeader(ATTRIBUTE_FIELD, length), header, bodyHeader, ...body);
  }
  return parts;
}

/** The bytes of the parts, in pieces of bounded size. */
export async function* streamParts(parts: readonly Part[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Uint8Array) yield part;
    else if ("file" in part) yield* streamRange(part);
    else yield* streamPart(part);
  }
}

async function* streamPart({ name, length, stream }: StreamedPart): AsyncGenerator<Uint8Array> {
  let seen = 0;
  for await (const chunk of stream()) {
    seen += chunk.length;
    if (seen > length) break;
    yield chunk;
  }
  if (seen !== length) throw new OnnxGradError(`constant "${name}" has ${length} bytes, but other data were given`);
}

/** The bytes of a range of a file. Throws OnnxGradError if the file ends before. */
async function* streamRange({ file, offset, length }: ExternalTensor): AsyncGenerator<Uint8Array> {
  if (length === 0) return;
  let seen = 0;
  const chunks: AsyncIterable<Uint8Array> = createReadStream(file, {
    start: offset,
    end: offset + length - 1,
    highWaterMark: 1 << 20,
  });
  for await (const chunk of chunks) {
    seen += chunk.length;
    yield chunk;
  }
  if (seen !== length) throw new OnnxGradError(`${file}: ends before byte ${offset + length}; was it replaced?`);
}

/**
 * The oldest format (IR version) that knows an operator set: older programs refuse newer ones
 * (onnx, docs/Versioning.md).
 */
const oldestFormat = (opset: number): number =>
  opset >= 21 ? 10 : opset >= 19 ? 9 : opset >= 15 ? 8 : opset >= 12 ? 7 : 6;

const domainsOf = (graph: Graph): string[] =>
  graph.nodes.flatMap((node) => [node.domain, ...bodiesOf(node).flatMap(domainsOf)]);

function modelHeader(graph: Graph): object {
  const domains = new Set(domainsOf(graph).filter((domain) => domain !== ""));
  return {
    irVersion: oldestFormat(graph.opset),
    producerName: "onnx-grad",
    opsetImport: [{ domain: "", version: graph.opset }, ...[...domains].map((domain) => ({ domain, version: 1 }))],
    metadataProps: [...graph.metadata].map(([key, value]) => ({ key, value })),
  };
}

function tensorHeader(name: string, constant: Constant, place: Location | undefined): TensorProto {
  const header = { name, dims: constant.dims.map(String), dataType: dtypeCode(constant.dtype) };
  if (place === undefined) return header;
  const length = isExternal(constant) ? constant.length : constant.data.byteLength;
  const entries = { location: place.location, offset: String(place.offset), length: String(length) };
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  return { ...header, dataLocation: 1, externalData };
}

function valueProto(name: string, graph: Graph): ValueInfoProto {
  const constant = graph.constants.get(name);
  const type: ValueType | undefined =
    graph.types.get(name) ?? (constant && { dtype: constant.dtype, shape: constant.dims });
  if (type === undefined) throw new OnnxGradError(`value "${name}" of graph "${graph.name}" has no type`);
  return { name, type: { tensorType: { elemType: dtypeCode(type.dtype), shape: { dim: dimProtos(type.shape) } } } };
}

const dimProtos = (shape: Shape): { dimValue?: string; dimParam?: string }[] =>
  shape.map((dim) => (typeof dim === "number" ? { dimValue: String(dim) } : { dimParam: printDim(dim) }));

const nodeProto = (node: Node): NodeProto => ({
  input: [...node.inputs],
  output: [...node.outputs],
  name: node.name,
  opType: node.op,
  domain: node.domain,
  attribute: Object.entries(node.attributes).map(([name, attribute]) => ({ name, ...attributeProto(attribute) })),
});

function attributeProto(attribute: Attribute): AttributeProto {
  if ("int" in attribute) return { type: 2, i: int64Text(attribute.int) };
  if ("ints" in attribute) return { type: 7, ints: attribute.ints.map(int64Text) };
  if ("float" in attribute) return { type: 1, f: attribute.float };
  if ("floats" in attribute) return { type: 6, floats: [...attribute.floats] };
  if ("string" in attribute) return { type: 3, s: Buffer.from(attribute.string) };
  if ("strings" in attribute) return { type: 8, strings: attribute.strings.map((value) => Buffer.from(value)) };
  if ("tensor" in attribute) return { type: 4, t: inlineTensor(attribute.tensor) };
  throw new Error("a graph in an attribute is not encoded whole");
}

const inlineTensor = (tensor: Tensor): TensorProto => ({
  dims: tensor.dims.map(String),
  dataType: dtypeCode(tensor.dtype),
  rawData: bytesOfTensor(tensor),
});

/**
 * A whole number within int64; the largest ("to the end") does not survive a double, so it is held
 * to the bounds.
 */
function int64Text(value: number): string {
  return String(BigInt.asIntN(64, BigInt(Math.min(2 ** 63 - 1024, Math.max(-(2 ** 63), Math.trunc(value))))));
}
