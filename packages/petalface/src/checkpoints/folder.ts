import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PetalfaceError } from "../errors.ts";
import { refusePlaceholder } from "../placeholder.ts";
import { readPart, withFile } from "./file.ts";
import { quote } from "./pickle/machine.ts";
import type { Plain } from "./types.ts";

const LARGEST_CONFIG = 2 ** 20;
const LARGEST_INDEX = 2 ** 24;
const MOST_SHARDS = 1000;

/** Ending of the file that says which shard holds which tensor. */
export const indexEnding = ".safetensors.index.json";

/**
 * Names under which a Hugging Face repository keeps its weights, in the order in which they are
 * taken.
 */
const weightNames = ["model.safetensors", `model${indexEnding}`, "pytorch_model.bin", "model.pt"];

/**
 * The file with the weights in a folder, as Hugging Face lays it out; undefined where there is
 * none.
 */
export async function weightsIn(folder: string): Promise<string | undefined> {
  for (const name of weightNames) {
    const path = join(folder, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isFile()) return path;
  }
  return undefined;
}

export async function readConfig(folder: string): Promise<{ readonly [key: string]: Plain } | undefined> {
  const path = join(folder, "config.json");
  const entry = await stat(path).catch(() => undefined);
  return entry?.isFile() ? await readJson(path, LARGEST_CONFIG) : undefined;
}

/** The shards that an index names, and the tensors that each must hold. */
export async function readIndex(path: string): Promise<Map<string, Set<string>>> {
  const { weight_map: map } = await readJson(path, LARGEST_INDEX);
  if (typeof map !== "object" || map === null || Array.isArray(map))
    throw new PetalfaceError(
      "PETAL_CHECKPOINT_DAMAGED",
      `${path}: "weight_map" is missing, which says where each tensor is`,
    );
  const shards = new Map<string, Set<string>>();
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || shard !== basename(shard) || !/^[^/\\:]+\.safetensors$/.test(shard))
      throw new PetalfaceError(
        "PETAL_CHECKPOINT_DAMAGED",
        `${path}: tensor ${quote(tensor)} is listed in ${quote(String(shard))}, which is not a file in this folder`,
      );
    const place = join(dirname(path), shard);
    const names = shards.get(place) ?? new Set();
    shards.set(place, names.add(tensor));
  }
  if (shards.size > MOST_SHARDS)
    throw new PetalfaceError("PETAL_CHECKPOINT_UNSAFE", `${path}: it names ${shards.size} files`);
  return shards;
}

async function readJson(path: string, limit: number): Promise<{ readonly [key: string]: Plain }> {
  const bytes = await withFile(path, async (file) => {
    if (file.size > limit)
      throw new PetalfaceError("PETAL_CHECKPOINT_UNSAFE", `${path}: ${file.size} bytes are too many for such a file`);
    return await readPart(file, 0, file.size);
  });
  refusePlaceholder(bytes, path);
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${path}: not valid JSON`, { cause });
  }
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw new PetalfaceError("PETAL_CHECKPOINT_DAMAGED", `${path}: not a JSON object`);
  return document as { readonly [key: string]: Plain };
}
