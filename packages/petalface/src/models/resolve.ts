import { stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { otherFormat } from "onnx-grad";
import { cacheFolder } from "../cache.ts";
import { messageOf, PetalfaceError } from "../errors.ts";
import { fetchModel } from "./fetch.ts";
import { identifyModel } from "./hash.ts";
import { defaultPreprocessing, knownModels } from "./known.ts";
import { parsePreprocessing, readMetadata } from "./metadata.ts";
import { parseNormalize } from "./normalize.ts";
import type { KnownModel, ModelChoices, ModelSpec, PreprocessingSource } from "./types.ts";

/** Options of {@link resolveModel}. */
export interface ResolveOptions extends Pick<ModelChoices, "normalize" | "channels"> {
  /** Folder for fetched models; {@link cacheFolder} unless given. */
  readonly cache?: string;
  /** Models known by name or hash; petalface's own list unless given. */
  readonly known?: readonly KnownModel[];
}

/** A model file and how it wants its faces. */
export interface ResolvedModel {
  readonly path: string;
  readonly spec: ModelSpec;
  /** How mean and scale became known. */
  readonly source: PreprocessingSource;
}

async function checkFile(path: string, known: readonly KnownModel[]): Promise<void> {
  const names = known.filter((model) => model.source).map((model) => model.name);
  const entry = await stat(path).catch((error: NodeJS.ErrnoException) => error);
  if (entry instanceof Error) {
    const missing = entry.code === "ENOENT" || entry.code === "ENOTDIR" || entry.code === "ENAMETOOLONG";
    throw new PetalfaceError(
      missing ? "PETAL_MODEL_MISSING" : "PETAL_MODEL_DAMAGED",
      missing
        ? `no model "${path}": neither a file nor a known name (${names.join(", ") || "none"}); \`petalface models\` lists them`
        : `cannot read model ${path}: ${entry.message}`,
      { cause: entry },
    );
  }
  if (!entry.isFile())
    throw new PetalfaceError("PETAL_MODEL_MISSING", `${path} is not a file: pass the path of an .onnx model`);
}

/** Turns file system errors of a file that exists into one line of advice. */
async function readable<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof PetalfaceError) throw error;
    throw new PetalfaceError("PETAL_MODEL_DAMAGED", `cannot read model ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * Finds a model by path or by a name that {@link knownModels} lists (a known name wins; write
 * `./name` for a file of that name), fetching it where needed. Preprocessing comes from, first
 * match: `normalize` and `channels`, the file's own petalface metadata, the list of known models by
 * hash, and the default (x - 127.5) / 127.5. Throws PetalfaceError.
 */
export async function resolveModel(nameOrPath: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  const known = options.known ?? knownModels;
  const override = {
    ...(options.normalize !== undefined && parseNormalize(options.normalize)),
    ...(options.channels !== undefined && { channels: options.channels }),
  };
  const named = known.find((model) => model.name === nameOrPath);
  const cache = options.cache ?? cacheFolder();
  const path = named ? await fetchModel(named, cache) : nameOrPath;
  await checkFile(path, known);
  const other = await readable(path, (async () => otherFormat(path))());
  if (other !== undefined) throw new PetalfaceError("PETAL_MODEL_DAMAGED", `${path}: ${other}`);
  const metadata = await readable(path, readMetadata(path));
  const identity = await readable(path, identifyModel(path, join(cache, "hashes"), metadata));
  const recognised = known.find((model) => model.sha256 === identity.sha256);
  const stated = parsePreprocessing(metadata, path);
  const preprocessing = stated ?? recognised?.preprocessing ?? defaultPreprocessing;
  const found: PreprocessingSource = stated ? "metadata" : recognised ? "known" : "assumed";
  const name = recognised?.name ?? basename(path, extname(path));
  return {
    path,
    spec: { name, ...identity, ...preprocessing, ...override },
    source: options.normalize === undefined ? found : "option",
  };
}
