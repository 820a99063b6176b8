import { basename, dirname, resolve } from "node:path";
import { typeGraph } from "../fold/fold.ts";
import { bytesOfTensor } from "../graph/dtypes.ts";
import { OnnxGradError, unreadable } from "../graph/errors.ts";
import type { Graph, Node, ValueType } from "../graph/graph.ts";
import { sortNodes } from "../graph/sort.ts";
import { type Constant, isExternal } from "../graph/tensor.ts";
import { constantOfNode } from "../infer/create.ts";
import { constantOfProto, type InputShapes, nodeOfProto, readTensor, typeOfInput } from "./decode.ts";
import { type Location, modelParts, type Part, type StreamedPart, streamParts } from "./encode.ts";
import { type PositionedFile, withFile } from "./file.ts";
import { refuseOther } from "./other.ts";
import { decodeProto, type ModelProto } from "./proto.ts";
import { type Source, startSource } from "./source.ts";
import { thinModel } from "./thin.ts";
import { type AtomicOptions, reasonOf, writeFileAtomic } from "./write-file.ts";

/** Operator sets whose meaning onnx-grad knows. */
const OPSETS = { first: 7, last: 25 } as const;

/** The newest version of the file format in schema/onnx.proto. */
const NEWEST_IR = 14;

/** Options of {@link readModel}. */
export interface ReadOptions {
  /**
   * Shapes of inputs in place of the stated ones: how open dimensions other than the batch are
   * fixed. By name, or a function of the name and the stated shape (undefined where the model
   * states none), which returns undefined to keep it and may throw.
   */
  readonly shapes?: InputShapes;
}

/**
 * Reads an ONNX model. Weights stay in their file (the model's own or external data) as
 * {@link ExternalTensor}; only tensors up to 1 KiB and integer ones come into memory. Every value
 * is typed, shape arithmetic is folded, nodes are in topological order. Throws OnnxGradError if the
 * file is missing, truncated, no ONNX model, refers outside its folder, has an operator set outside
 * 7 to 25, control flow, a cycle, a value defined twice or nowhere, an open dimension other than an
 * input's first, or an operator without shape rule.
 */
export async function readModel(path: string, options: ReadOptions = {}): Promise<Graph> {
  return withFile(resolve(path), (file) => readGraph(file, options));
}

/**
 * The metadata of a model, also of one that {@link readModel} refuses, such as one with control
 * flow. Throws OnnxGradError if the file is missing, truncated or no ONNX model.
 */
export function readMetadata(path: string): Map<string, string> {
  return withFile(resolve(path), (file) => {
    refuseOther(file);
    return metadataOf(decodeProto(thinModel(file), file.path));
  });
}

const metadataOf = (proto: ModelProto): Map<string, string> =>
  new Map((proto.metadataProps ?? []).map(({ key = "", value = "" }) => [key, value]));

/** {@link readModel} from an open file, whose path must be absolute. */
export function readGraph(file: PositionedFile, options: ReadOptions = {}): Graph {
  refuseOther(file);
  const proto = decodeProto(thinModel(file), file.path);
  try {
    return graphOfProto(proto, startSource(file), options);
  } catch (error) {
    // Shape rules name the node; the file is known here.
    if (!(error instanceof OnnxGradError) || error.message.startsWith(file.path)) throw error;
    throw unreadable(`${file.path}: ${error.message}`, { cause: error });
  }
}

function graphOfProto(proto: ModelProto, source: Source, options: ReadOptions): Graph {
  const { path } = source;
  const fail = (message: string): never => {
    throw new OnnxGradError(`${path}: ${message}`);
  };
  const graph = proto.graph ?? fail("holds no graph; it is not an ONNX model");
  const opset = opsetOf(proto, fail);
  const version = Number(proto.irVersion ?? 0);
  if (!(version >= 1 && version <= NEWEST_IR)) fail(`has IR version ${version}; onnx-grad reads 1 to ${NEWEST_IR}`);
  if (proto.functions?.length) fail("defines functions of its own, which is not supported; inline them first");
  if (graph.sparseInitializer?.length) fail("holds sparse weights, which are not supported");

  const constants = new Map<string, Constant>();
  const define = (name: string, constant: Constant): void => {
    if (constants.has(name)) fail(`value "${name}" is defined twice`);
    constants.set(name, constant);
  };
  for (const tensor of graph.initializer ?? []) {
    const name = tensor.name || fail("has an initializer without a name");
    define(name, constantOfProto(tensor, source, `initializer "${name}"`));
  }
  const types = new Map<string, ValueType>();
  for (const info of graph.input ?? []) {
    const name = info.name || fail("has an input without a name");
    // Up to IR version 3 every initialiser is listed as an input too.
    if (constants.has(name)) continue;
    if (types.has(name)) fail(`value "${name}" is defined twice`);
    types.set(name, typeOfInput(info, path, options.shapes ?? {}));
  }
  const nodes: Node[] = [];
  for (const decoded of graph.node ?? []) {
    const { node, constant } = nodeOfProto(decoded, source);
    const [output = ""] = node.outputs;
    if (types.has(output)) fail(`value "${output}" is defined twice`);
    if (node.op !== "Constant" || node.domain !== "") nodes.push(node);
    else if (output !== "") define(output, constant ?? constantOfNode(node));
  }
  const outputs = (graph.output ?? []).map((info) => info.name || fail("has an output without a name"));
  if (outputs.length === 0) fail("has no outputs, so it computes nothing; export it again");
  const seen = new Set<string>();
  for (const output of outputs) {
    if (seen.has(output)) fail(`puts out "${output}" twice`);
    seen.add(output);
  }
  const sorted = sortNodes(nodes, [...types.keys(), ...constants.keys()], outputs, path);
  const metadata = metadataOf(proto);
  const name = graph.name ?? "";
  return typeGraph({ name, opset, inputs: [...types.keys()], outputs, nodes: sorted, types, constants, metadata });
}

function opsetOf(proto: ModelProto, fail: (message: string) => never): number {
  const standard = (proto.opsetImport ?? []).filter(({ domain = "" }) => domain === "" || domain === "ai.onnx");
  const versions = new Set(standard.map(({ version = "0" }) => Number(version)));
  const [opset] = versions;
  if (opset === undefined) return fail("does not say which operator set it uses; it is not an ONNX model");
  if (versions.size > 1) return fail(`names ${versions.size} versions of the standard operator set`);
  if (!(opset >= OPSETS.first && opset <= OPSETS.last)) {
    fail(`uses operator set ${opset}; onnx-grad reads ${OPSETS.first} to ${OPSETS.last}, convert the model`);
  }
  return opset;
}

/**
 * The graph as one self-contained ONNX model in memory. Weights in files are read, so use this for
 * small graphs and {@link writeModel} or `placeModel` for others. Throws OnnxGradError beyond 2
 * GiB.
 */
export const encodeModel = (graph: Graph): Uint8Array => encodeWithPlaces(graph).bytes;

/** A model in memory, and where the data of its constants begin. */
export interface EncodedModel {
  readonly bytes: Uint8Array;
  /** First byte of each constant of the graph, by its name. */
  readonly places: ReadonlyMap<string, number>;
}

/** As {@link encodeModel}, for those who write other numbers over constants later. */
export function encodeWithPlaces(graph: Graph): EncodedModel {
  const places = new Map<string, number>();
  return { bytes: joinParts(modelParts(graph, () => undefined, undefined, places)), places };
}

/** Parts of a model in memory, one after the other. Weights in files are read. */
export function joinParts(parts: readonly Exclude<Part, StreamedPart>[]): Uint8Array {
  const bytes = parts.map((part) => (part instanceof Uint8Array ? part : bytesOfTensor(readTensor(part))));
  return new Uint8Array(Buffer.concat(bytes));
}

/** Options of {@link writeModel}. */
export interface WriteOptions {
  /**
   * Bytes of constants by name, in place of what they hold: asked for once each, while the file is
   * written, so that weights can come straight from another format. Each gives as many bytes as its
   * constant has.
   */
  readonly contents?: ReadonlyMap<string, () => AsyncIterable<Uint8Array>>;
  /**
   * Constants in files next to the model stay there, as ONNX external data. Without it the model is
   * one self-contained file.
   */
  readonly keepExternal?: boolean;
}

/**
 * Writes the graph as one ONNX file, self-contained unless asked otherwise. Weights are streamed
 * from their files. The file appears complete or not at all: it is written to a temporary file in
 * its folder, synced and renamed. Its folder is made. Throws OnnxGradError beyond 2 GiB or if it
 * cannot be written.
 */
export async function writeModel(graph: Graph, path: string, options: WriteOptions = {}): Promise<void> {
  const folder = dirname(resolve(path));
  const locate = (_: string, constant: Constant): Location | undefined =>
    options.keepExternal === true && isExternal(constant) && dirname(resolve(constant.file)) === folder
      ? { location: basename(constant.file), offset: constant.offset }
      : undefined;
  await writeParts(modelParts(graph, locate, options.contents), path);
}

/** Writes parts to a file, complete or not at all. Throws OnnxGradError if it cannot be written. */
export async function writeParts(parts: readonly Part[], path: string, options: AtomicOptions = {}): Promise<void> {
  try {
    await writeFileAtomic(path, streamParts(parts), options);
  } catch (error) {
    if (error instanceof OnnxGradError) throw error;
    throw new OnnxGradError(`${path}: cannot be written (${reasonOf(error)})`, { cause: error });
  }
}
