import type { SessionOptions } from "../runtime/index.ts";
import { openExactSearcher } from "./exact.ts";
import { type GallerySearcher, openSearcher } from "./search.ts";
import type { SearchedStore } from "./store.ts";
import { buildTemplates, type TemplateRule } from "./templates.ts";
import type { BegunMigration } from "./types.ts";

/**
 * Up to so many faces all embeddings are held in memory in float32: that is simpler, and as fast.
 */
const mostInMemory = 20_000;

/**
 * Opens search in a gallery: in float32 where it is small, else in 8 bits with the same answers.
 *
 * @param rule how a person's faces answer
 * @param faces how many the whole gallery has, where this store is a part of it
 */
export async function openGallerySearcher(
  store: SearchedStore,
  rule: TemplateRule,
  session: SessionOptions,
  faces?: number,
): Promise<GallerySearcher> {
  if ((faces ?? (await store.count())) > mostInMemory) return await openExactSearcher(store, rule, session);
  const vectors = await store.vectors();
  const searcher = openSearcher(buildTemplates(vectors, rule), session);
  // `estimateThresholds` chooses itself.
  return { ...searcher, sample: async () => vectors };
}

/**
 * Opens search by the model that a gallery moves to, among the faces that it has embedded so far,
 * while the old model is still in use.
 */
export async function openSearcherOfNext(
  next: BegunMigration,
  rule: TemplateRule,
  session: SessionOptions,
): Promise<GallerySearcher> {
  const searcher = await openGallerySearcher(next.made, rule, session);
  return { ...searcher, kind: `${searcher.kind}, by the new model` };
}
