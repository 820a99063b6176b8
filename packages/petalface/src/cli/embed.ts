import type { Embedder, Embeddings } from "../backbones/index.ts";
import type { FaceData, Sample } from "../data/index.ts";
import { type Loader, prefetch } from "../images/index.ts";

/** One batch of a data set, embedded. */
export interface EmbeddedBatch extends Embeddings {
  /** Index of the first face within the set. */
  readonly start: number;
  readonly samples: readonly Sample[];
}

/** Embeds a whole set in its order, batch by batch; the next batches are decoded while one is in the engine. */
export async function* embedData(
  data: FaceData,
  embedder: Embedder,
  loader: Pick<Loader, "load">,
  signal: AbortSignal,
): AsyncGenerator<EmbeddedBatch> {
  function* batches() {
    for (let start = 0; start < data.length; start += embedder.batch) {
      const count = Math.min(embedder.batch, data.length - start);
      const samples = Array.from({ length: count }, (_, i) => data.at(start + i));
      const planes = loader.load(samples.map(({ source }) => ({ source, flip: false })));
      yield planes.then((pixels) => ({ start, samples, pixels }));
    }
  }
  for await (const { start, samples, pixels } of prefetch(batches(), 2)) {
    signal.throwIfAborted();
    yield { start, samples, ...(await embedder.embed(pixels, samples.length)) };
  }
}
