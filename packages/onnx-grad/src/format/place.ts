import { constants as fsConstants } from "node:fs";
import { copyFile, link, realpath, rm, stat } from "node:fs/promises";
import { join, parse, relative, resolve, sep } from "node:path";
import { bytesOfTensor } from "../graph/dtypes.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph } from "../graph/graph.ts";
import { entryOf } from "../graph/item-at.ts";
import { type Constant, isExternal } from "../graph/tensor.ts";
import { type Location, modelParts, type Part } from "./encode.ts";
import { joinParts, writeParts } from "./model.ts";

/**
 * Float and int8 constants in memory beyond this many bytes go to a file of their own rather than
 * through protobuf.
 */
const SIDE = 64 << 10;
/** Where tensors start in that file: multiples of a page, so that each can be mapped by itself. */
const PAGE = 4096;
const SIDE_FILE = "constants.bin";
/** A placed model is not read after this process ends: syncing it would only take time. */
const forNow = { sync: false };

/**
 * Writes `model.onnx` into `dir` for onnxruntime and returns its path. The weights stay in their
 * files, which are linked into `dir` (copied where the file system cannot link), because
 * onnxruntime only maps files inside the model's folder. `dir` must exist and should hold nothing
 * else; removing it leaves the weights where they were. Throws OnnxGradError if a weights file is
 * gone or too short.
 */
export async function placeModel(graph: Graph, dir: string): Promise<string> {
  await requireFolder(dir);
  const links = new Map<string, string>();
  for (const [file, target] of await weightFiles(graph)) {
    const name = `weights-${links.size}.bin`;
    links.set(file, name);
    await linkFile(file, target, join(dir, name));
  }
  const side = sideFile(graph);
  if (side.parts.length > 0) await writeParts(side.parts, join(dir, SIDE_FILE), forNow);
  const locate = (name: string, constant: Constant): Location | undefined =>
    isExternal(constant) ? { location: entryOf(links, constant.file), offset: constant.offset } : side.places.get(name);
  const path = join(dir, "model.onnx");
  await writeParts(modelParts(graph, locate), path, forNow);
  return path;
}

/** A model as bytes whose weights stay in their files. */
export interface MappedModel {
  readonly bytes: Uint8Array;
  /** The folder that the places of its weights start from. */
  readonly root: string;
}

/**
 * The model as bytes for onnxruntime, which maps the weights where they are: no file is linked or
 * copied. The session option `session.model_external_initializers_file_folder_path` has to be
 * `root`, which is the root of the file system. Constants that are large and in memory go to a file
 * in `dir`. It must exist.
 *
 * @returns undefined where the files have no common root: on different drives of Windows
 * @throws OnnxGradError if a weights file is gone or too short
 */
export async function mapModel(graph: Graph, dir: string): Promise<MappedModel | undefined> {
  await requireFolder(dir);
  const files = await weightFiles(graph);
  const side = sideFile(graph);
  const sidePath = resolve(dir, SIDE_FILE);
  const { root } = parse(sidePath);
  if (![...files.values()].every((path) => parse(path).root === root)) return undefined;
  if (side.parts.length > 0) await writeParts(side.parts, sidePath, forNow);
  const below = (path: string): string => relative(root, path).replaceAll(sep, "/");
  const locate = (name: string, constant: Constant): Location | undefined => {
    if (isExternal(constant)) return { location: below(entryOf(files, constant.file)), offset: constant.offset };
    const place = side.places.get(name);
    return place && { ...place, location: below(sidePath) };
  };
  return { bytes: joinParts(modelParts(graph, locate)), root };
}

/** Writing would create the folder, and nothing would remove it. */
async function requireFolder(dir: string): Promise<void> {
  if ((await stat(dir).catch(() => undefined))?.isDirectory() !== true)
    throw new OnnxGradError(`${dir}: cannot be written: there is no such folder`);
}

/**
 * The files that hold weights, and where each really is. Throws OnnxGradError if one is gone or too
 * short.
 */
async function weightFiles(graph: Graph): Promise<Map<string, string>> {
  const ends = new Map<string, number>();
  for (const constant of graph.constants.values())
    if (isExternal(constant))
      ends.set(constant.file, Math.max(ends.get(constant.file) ?? 0, constant.offset + constant.length));
  const files = new Map<string, string>();
  for (const [file, end] of ends) {
    const path = await realpath(file).catch(() => {
      throw new OnnxGradError(`${file}: the weights file is gone`);
    });
    if (end > (await stat(path)).size)
      throw new OnnxGradError(`${file}: shorter than when the model was read; was it replaced?`);
    files.set(file, path);
  }
  return files;
}

/** The big float and int8 constants in memory, one after the other at page boundaries. */
function sideFile(graph: Graph): { parts: Part[]; places: Map<string, Location> } {
  const parts: Part[] = [];
  const places = new Map<string, Location>();
  let offset = 0;
  for (const [name, constant] of graph.constants) {
    const isWeight = constant.dtype.startsWith("float") || constant.dtype === "int8";
    if (isExternal(constant) || !isWeight || constant.data.byteLength <= SIDE) continue;
    const bytes = bytesOfTensor(constant);
    const gap = -bytes.length & (PAGE - 1);
    places.set(name, { location: SIDE_FILE, offset });
    parts.push(bytes, new Uint8Array(gap));
    offset += bytes.length + gap;
  }
  return { parts, places };
}

/**
 * A second name for a file, or a copy (which shares blocks where the file system can) if it cannot
 * have one.
 */
async function linkFile(file: string, target: string, name: string): Promise<void> {
  try {
    await rm(name, { force: true });
    await link(target, name).catch(() => copyFile(target, name, fsConstants.COPYFILE_FICLONE));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new OnnxGradError(`${file}: cannot be placed for onnxruntime (${why})`, { cause: error });
  }
}
