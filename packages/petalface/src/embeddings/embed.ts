import type { Embedder } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import {
  type ImageRequest,
  type ImageStore,
  type Loader,
  openImageStore,
  prefetch,
  printPath,
} from "../images/index.ts";
import { faceKey } from "./face-key.ts";
import type { EmbeddingStore } from "./store.ts";

/** What embedding a set of faces takes. */
export interface EmbedFacesOptions {
  readonly embedder: Embedder;
  readonly loader: Pick<Loader, "load">;
  /** Where embeddings of earlier runs are looked for and new ones kept; nowhere unless given. */
  readonly store?: EmbeddingStore | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Some faces in a row, embedded. */
export interface EmbeddedFaces {
  /** Number of the first. */
  readonly start: number;
  readonly count: number;
  /** `count x width`, row-major, as the network gives them. */
  readonly data: Float32Array;
  readonly alpha?: Float32Array | undefined;
  /** How many of them came from the store. */
  readonly kept: number;
}

/** Batches that are looked up together: those of them that are missing fill whole batches of the engine. */
const batchesAtOnce = 16;

/**
 * Embeds `count` faces in their order, some at a time; memory does not grow with their number. Images are prepared while the engine works.
 * What the store has is taken from there, with the very bits that were computed once; the rest is computed and kept at once, so that a
 * killed run goes on where it was.
 *
 * @throws PetalfaceError if an image cannot be read or the store not be written
 */
export async function* embedFaces(
  count: number,
  request: (index: number) => ImageRequest,
  options: EmbedFacesOptions,
): AsyncGenerator<EmbeddedFaces> {
  const { embedder, store, signal } = options;
  using images = disposable(openImageStore());
  const window = store === undefined ? embedder.batch : batchesAtOnce * embedder.batch;
  const look = async (start: number) => {
    const requests = Array.from({ length: Math.min(window, count - start) }, (_, i) =>
      told(request(start + i), embedder),
    );
    if (store === undefined) return { start, requests, planes: await options.loader.load(requests) };
    const keys = await Promise.all(requests.map((one) => faceKey(one, images)));
    return { start, requests, keys, rows: await store.get(keys) };
  };
  function* windows() {
    for (let start = 0; start < count; start += window) yield look(start);
  }
  for await (const found of prefetch(windows(), 2)) {
    signal?.throwIfAborted();
    if (found.planes !== undefined) {
      const { data, alpha } = await embedder.embed(
        found.planes,
        found.requests.length,
        scoresOf(found.requests, embedder),
      );
      yield { start: found.start, count: found.requests.length, data, alpha, kept: 0 };
      continue;
    }
    yield await fillWindow(found, options);
  }
}

/** A request with the score that the model is told, or without one where it is told none: what is kept is then the same for all. */
function told(request: ImageRequest, { scores }: Embedder): ImageRequest {
  if (scores === undefined) return { ...request, quality: undefined };
  const { source, quality, degrade } = request;
  if (quality === undefined)
    throw new PetalfaceError(
      `${"path" in source ? printPath(source.path) : "a synthetic face"} has no quality score, and this adapter is told one for each face: fill the column quality of the manifest`,
    );
  const score = degrade === undefined ? quality : scores.degraded;
  if (score === undefined)
    throw new PetalfaceError(
      "a face that is made worse has no quality score, and the paper's rule none to take its place: measure with --degrade none",
    );
  return { ...request, quality: score };
}

const scoresOf = (requests: readonly ImageRequest[], { scores }: Embedder): Float32Array | undefined =>
  scores && Float32Array.from(requests, ({ quality = Number.NaN }) => quality);

/** Closes the files when the generator ends, however it does. */
const disposable = (images: ImageStore): ImageStore & Disposable => ({
  ...images,
  [Symbol.dispose]: () => images.close(),
});

interface Window {
  readonly start: number;
  readonly requests: readonly ImageRequest[];
  readonly keys: readonly Uint32Array[];
  readonly rows: readonly (Float32Array | undefined)[];
}

/** Computes what a window lacks, keeps it, and puts everything in order. */
async function fillWindow(
  { start, requests, keys, rows }: Window,
  { embedder, loader, store, signal }: EmbedFacesOptions,
): Promise<EmbeddedFaces> {
  const { width, batch } = embedder;
  const missing = requests.flatMap((_, i) => (rows[i] === undefined ? [i] : []));
  const all = [...rows];
  const load = async (part: readonly number[]) => ({
    part,
    planes: await loader.load(part.map((i) => requests[i] as ImageRequest)),
  });
  function* batches() {
    for (let from = 0; from < missing.length; from += batch) yield load(missing.slice(from, from + batch));
  }
  for await (const { part, planes } of prefetch(batches(), 2)) {
    signal?.throwIfAborted();
    const asked = part.map((i) => requests[i] as ImageRequest);
    const { data, alpha } = await embedder.embed(planes, part.length, scoresOf(asked, embedder));
    const numbers = width + (alpha === undefined ? 0 : 1);
    const records = new Float32Array(part.length * numbers);
    part.forEach((face, row) => {
      records.set(data.subarray(row * width, (row + 1) * width), row * numbers);
      if (alpha !== undefined) records[row * numbers + width] = alpha[row] as number;
      all[face] = records.subarray(row * numbers, (row + 1) * numbers);
    });
    await store?.put(
      part.map((face) => keys[face] as Uint32Array),
      records,
    );
  }
  const withAlpha = (all[0]?.length ?? width) > width;
  const data = new Float32Array(requests.length * width);
  const alpha = new Float32Array(withAlpha ? requests.length : 0);
  all.forEach((record, row) => {
    if (record === undefined) return;
    data.set(record.subarray(0, width), row * width);
    if (withAlpha) alpha[row] = record[width] as number;
  });
  return {
    start,
    count: requests.length,
    data,
    alpha: withAlpha ? alpha : undefined,
    kept: requests.length - missing.length,
  };
}
