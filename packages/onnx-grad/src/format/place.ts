import { constants as fsConstants } from "node:fs";
import { copyFile, link, realpath, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { bytesOfTensor } from "../graph/dtypes.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph } from "../graph/graph.ts";
import { entryOf } from "../graph/item-at.ts";
import { type Constant, isExternal } from "../graph/tensor.ts";
import { type Location, modelParts, type Part } from "./encode.ts";
import { writeParts } from "./model.ts";

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
  // Writing would create the folder, and nothing would remove it.
  if ((await stat(dir).catch(() => undefined))?.isDirectory() !== true)
    throw new OnnxGradError(`${dir}: cannot be written: there is no such folder`);
  const links = new Map<string, string>();
  for (const constant of graph.constants.values()) {
    if (!isExternal(constant)) continue;
    if (!links.has(constant.file)) {
      const name = `weights-${links.size}.bin`;
      links.set(constant.file, name);
      await linkFile(constant.file, join(dir, name));
    }
    const { size } = await stat(join(dir, entryOf(links, constant.file)));
    if (constant.offset + constant.length > size) {
      throw new OnnxGradError(`${constant.file}: shorter than when the model was read; was it replaced?`);
    }
  }
  const side = sideFile(graph);
  if (side.parts.length > 0) await writeParts(side.parts, join(dir, SIDE_FILE), forNow);
  const locate = (name: string, constant: Constant): Location | undefined =>
    isExternal(constant) ? { location: entryOf(links, constant.file), offset: constant.offset } : side.places.get(name);
  const path = join(dir, "model.onnx");
  await writeParts(modelParts(graph, locate), path, forNow);
  return path;
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
async function linkFile(file: string, name: string): Promise<void> {
  const target = await realpath(file).catch(() => {
    throw new OnnxGradError(`${file}: the weights file is gone`);
  });
  try {
    await rm(name, { force: true });
    await link(target, name).catch(() => copyFile(target, name, fsConstants.COPYFILE_FICLONE));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new OnnxGradError(`${file}: cannot be placed for onnxruntime (${why})`, { cause: error });
  }
}
