import { join } from "node:path";
import type { Command } from "commander";
import { adapterHash } from "../adapters/index.ts";
import type { Embedder } from "../backbones/index.ts";
import type { FaceData, Sample, Tally } from "../data/index.ts";
import {
  type EmbeddedFaces,
  type EmbeddingStore,
  embedFaces,
  type LeftFace,
  openOptionalStore,
} from "../embeddings/index.ts";
import { PetalfaceError } from "../errors.ts";
import type { Loader } from "../images/index.ts";
import { cacheFolder } from "../models/index.ts";
import { engineForm } from "../runtime/index.ts";
import { versions } from "../versions.ts";
import type { CliContext } from "./context.ts";
import type { Engine, OpenedModel } from "./model.ts";

/** One part of a data set, embedded. */
export interface EmbeddedBatch extends EmbeddedFaces {
  readonly samples: readonly Sample[];
}

/**
 * Embeds a whole set in its order, part by part; the next images are decoded while the engine works. Faces that cannot be read or have no finite
 * embedding are counted by `tally`, which throws where they are too many.
 */
export async function* embedData(
  data: FaceData,
  embedder: Embedder,
  loader: Pick<Loader, "load">,
  tally: Tally,
  signal: AbortSignal,
  store?: EmbeddingStore,
): AsyncGenerator<EmbeddedBatch> {
  const request = (index: number) => {
    const { source, quality } = data.at(index);
    return { source, flip: false, quality };
  };
  const onLeft = (_: number, { message, kind }: LeftFace): void => tally.bad(message, kind);
  tally.tried(data.length);
  for await (const faces of embedFaces(data.length, request, { embedder, loader, store, signal, onLeft })) {
    const samples = Array.from({ length: faces.count }, (_, i) => data.at(faces.start + i));
    yield { ...faces, samples };
  }
}

/** Options of commands that keep embeddings. */
export interface CacheFlags {
  /** False under `--no-cache`. */
  readonly cache: boolean;
}

/** Adds `--no-cache`. */
export function withCacheOption(command: Command): Command {
  return command.option(
    "--no-cache",
    "compute every embedding again and keep none (default: they are kept in PETALFACE_CACHE, up to PETALFACE_CACHE_GB gigabytes, 8 unless set; 0 keeps none)",
  );
}

/**
 * Opens where the embeddings of this model are kept, or undefined under `--no-cache` or where the cache folder cannot be used, which is noted. What is kept under one name depends on everything
 * that could change a bit of it: the model's file, how it is fed, the adapter, the engine, its threads, and versions.
 */
export async function openCache(
  flags: CacheFlags,
  { backbone, model, adapter }: OpenedModel,
  engine: Engine,
  context: Pick<CliContext, "noteOnce">,
): Promise<EmbeddingStore | undefined> {
  const limit = cacheLimit(process.env.PETALFACE_CACHE_GB);
  if (!flags.cache || limit === 0) return undefined;
  const { name: _, ...spec } = backbone.spec;
  const identity = {
    spec,
    size: model.size,
    output: backbone.output,
    adapter: adapter && adapterHash(adapter),
    engine: { ...engine, ...engineForm(engine) },
    versions: await versions(),
  };
  const numbers = model.width + (model.alpha === undefined ? 0 : 1);
  const store = { root: join(cacheFolder(), "embeddings"), identity: JSON.stringify(identity), numbers, limit };
  return await openOptionalStore(store, (reason) =>
    context.noteOnce(`note: embeddings are not kept: ${reason} (PETALFACE_CACHE names another cache folder)`),
  );
}

function cacheLimit(text: string | undefined): number {
  const gigabytes = text === undefined || text === "" ? 8 : Number(text);
  if (!(gigabytes >= 0 && gigabytes <= 1e6))
    throw new PetalfaceError(`PETALFACE_CACHE_GB is ${JSON.stringify(text)}; expected a number of gigabytes`);
  return gigabytes * 2 ** 30;
}
