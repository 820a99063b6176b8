import { join } from "node:path";
import { adapterHash } from "../adapters/index.ts";
import { type EmbeddingStore, openOptionalStore } from "../embeddings/index.ts";
import { PetalfaceError } from "../errors.ts";
import { cacheFolder } from "../models/index.ts";
import { engineForm } from "../runtime/index.ts";
import { versions } from "../versions.ts";
import type { Engine, OpenedModel } from "./model.ts";
import type { Surroundings } from "./surroundings.ts";

/** Options of what keeps embeddings. */
export interface CacheOptions {
  /**
   * Whether embeddings are kept in the user's cache folder, and taken from there; true unless
   * given.
   */
  readonly cache?: boolean | undefined;
}

/**
 * Opens where the embeddings of this model are kept; undefined where they are not to be kept, or
 * where the cache folder cannot be used, which is noted. What is kept under one name depends on
 * everything that could change a bit of it: the model's file, how it is fed, the adapter, the
 * engine, its threads, and versions.
 */
export async function openCache(
  { cache = true }: CacheOptions,
  { backbone, model, adapter, judge }: OpenedModel,
  engine: Engine,
  { noteOnce }: Pick<Surroundings, "noteOnce">,
): Promise<EmbeddingStore | undefined> {
  const limit = cacheLimit(process.env.PETALFACE_CACHE_GB);
  if (!cache || limit === 0) return undefined;
  const { name: _, ...spec } = backbone.spec;
  const identity = {
    spec,
    size: model.size,
    output: backbone.output,
    adapter: adapter && adapterHash(adapter),
    judge,
    engine: { ...engine, ...engineForm(engine) },
    versions: await versions(),
  };
  const numbers = model.width + (model.alpha === undefined ? 0 : 1);
  const store = { root: join(cacheFolder(), "embeddings"), identity: JSON.stringify(identity), numbers, limit };
  return await openOptionalStore(store, (reason) =>
    noteOnce(`note: embeddings are not kept: ${reason} (PETALFACE_CACHE names another cache folder)`),
  );
}

function cacheLimit(text: string | undefined): number {
  const gigabytes = text === undefined || text === "" ? 8 : Number(text);
  if (!(gigabytes >= 0 && gigabytes <= 1e6))
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `PETALFACE_CACHE_GB is ${JSON.stringify(text)}; expected a number of gigabytes`,
    );
  return gigabytes * 2 ** 30;
}
