import {
  findSubnormals,
  flushSubnormals,
  type Graph,
  isStatic,
  printShape,
  readModel,
  type Shape,
  setBatch,
  sizeOf,
  upgradeOpset,
} from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { type ModelSpec, resolveModel } from "../models/index.ts";
import { isStrings, remembered } from "../remembered.ts";
import { proveOpenBatch } from "./prove.ts";

/** A frozen face recogniser: its graph with an open batch, and how faces must be fed to it. */
export interface Backbone {
  /** Where the model file is. */
  readonly path: string;
  /** Preprocessing and identity (name, SHA-256 of the file). */
  readonly spec: ModelSpec;
  /** One image input `[N, 3, size, size]`, one embedding output `[N, width]`, N open. */
  readonly graph: Graph;
  readonly input: string;
  readonly output: string;
  /** Side of the square input in pixels. */
  readonly size: number;
  /** Length of an embedding. */
  readonly width: number;
  /** Number of float constants, i.e. weights. */
  readonly parameters: number;
}

/**
 * Opens a face recogniser given by path or by a name that `petalface models` knows.
 * Throws PetalfaceError if it has not exactly one square RGB image input and one embedding output.
 */
export async function openBackbone(model: string, normalize?: string): Promise<Backbone> {
  const { path, spec } = await resolveModel(model, normalize === undefined ? {} : { normalize });
  const read = upgradeOpset(await readModel(path));
  const stated = flushSubnormals(read, await subnormalsOf(read, spec.sha256));
  const graph = setBatch(stated, "N");
  const [input] = graph.inputs;
  const shapeOf = (value: string): Shape => graph.types.get(value)?.shape ?? [];
  if (input === undefined || graph.inputs.length !== 1)
    throw new PetalfaceError(`${path}: has ${graph.inputs.length} inputs; a face recogniser has one, the image`);
  const [, channels, height, size] = shapeOf(input);
  if (shapeOf(input).length !== 4 || channels !== 3 || typeof size !== "number" || height !== size)
    throw new PetalfaceError(`${path}: its input is ${printShape(shapeOf(input))}; expected [N, 3, size, size]`);
  // Files that petalface exported put out alpha [N] beside the embedding.
  const embeddings = graph.outputs.filter((value) => shapeOf(value).length === 2);
  const [output] = embeddings;
  const width = output === undefined ? undefined : shapeOf(output)[1];
  if (output === undefined || embeddings.length !== 1 || typeof width !== "number")
    throw new PetalfaceError(
      `${path}: its outputs are ${graph.outputs.map((value) => `${value} ${printShape(shapeOf(value))}`).join(", ")}; expected one embedding [N, width]`,
    );
  if (stated.inputs.every((value) => isStatic(stated.types.get(value)?.shape ?? [])))
    await proveOnce(stated, graph, spec);
  const parameters = [...graph.constants.values()]
    .filter((constant) => constant.dtype === "float32" || constant.dtype === "float16")
    .reduce((sum, constant) => sum + sizeOf(constant.dims), 0);
  return { path, spec, graph, input, output, size, width, parameters };
}

/** Constants of a model that slow it down; those of a small one are found faster than they are worth a file. */
const subnormalsOf = (graph: Graph, sha256: string): Promise<string[]> =>
  bytesOf(graph) < worthRemembering
    ? findSubnormals(graph)
    : remembered("subnormal", sha256, () => findSubnormals(graph), isStrings);

/** Proves the open batch of a model, unless it was proven before. */
async function proveOnce(stated: Graph, graph: Graph, { sha256 }: ModelSpec): Promise<void> {
  if (bytesOf(graph) < worthRemembering) await proveOpenBatch(stated, graph);
  else
    await remembered(
      "batch",
      sha256,
      () => proveOpenBatch(stated, graph).then(() => true as const),
      (value) => value === true,
    );
}

const worthRemembering = 2 ** 20;

const bytesOf = (graph: Graph): number =>
  [...graph.constants.values()].reduce((sum, { dims }) => sum + 4 * sizeOf(dims), 0);
