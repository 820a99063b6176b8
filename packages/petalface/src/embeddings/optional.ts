import { PetalfaceError } from "../errors.ts";
import { type EmbeddingStore, openEmbeddingStore, type StoreOptions } from "./store.ts";

/**
 * Opens a store that may fail: keeping embeddings only saves time. Where the folder cannot be used
 * there is none, and where it can no longer be written (a full disk) nothing more is kept.
 *
 * @param onFailure called with the reason, at most once
 */
export async function openOptionalStore(
  options: StoreOptions,
  onFailure: (reason: string) => void,
): Promise<EmbeddingStore | undefined> {
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PetalfaceError)) throw error;
      onFailure(error.message);
      return undefined;
    }
  };
  const store = await attempt(() => openEmbeddingStore(options));
  if (store === undefined) return undefined;
  let works = true;
  return {
    ...store,
    async put(keys, rows) {
      if (!works) return;
      const done = await attempt(async () => {
        await store.put(keys, rows);
        return true;
      });
      works = done === true;
    },
  };
}
