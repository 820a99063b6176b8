import { itemAt } from "onnx-grad";
import { type Embedder, rowsNotFinite } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import {
  type ImageRequest,
  type ImageStore,
  type Loader,
  nameOfFace,
  openImageStore,
  prefetch,
} from "../images/index.ts";
import type { Ranks } from "../ranks.ts";
import { faceKey } from "./face-key.ts";
import type { EmbeddingStore } from "./store.ts";

/**
 * Why a face has no embedding: it cannot be read, or the model's embedding of it holds NaN or
 * Infinity.
 */
export interface LeftFace {
  readonly kind: "unreadable" | "notFinite";
  /** One line that names the picture. */
  readonly message: string;
}

/** What embedding a set of faces takes. */
export interface EmbedFacesOptions {
  readonly embedder: Embedder;
  readonly loader: Pick<Loader, "load">;
  /** Where embeddings of earlier runs are looked for and new ones kept; nowhere unless given. */
  readonly store?: EmbeddingStore | undefined;
  /**
   * Called for each face that has no finite embedding, in order; it may throw to end the work.
   * Without it the first such face ends it.
   */
  readonly onLeft?: ((index: number, left: LeftFace) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Processes that all embed the same faces, and divide the work; without a store. */
  readonly ranks?: Ranks | undefined;
}

/** Some faces in a row, embedded. */
export interface EmbeddedFaces {
  /** Number of the first. */
  readonly start: number;
  readonly count: number;
  /** `count x width`, row-major, as the network gives them; NaN in the rows of `left`. */
  readonly data: Float32Array;
  /** Alpha of each face; NaN for those of `left`. */
  readonly alpha?: Float32Array | undefined;
  /** Rows of this part, from 0, that have no finite embedding, ascending. */
  readonly left: readonly number[];
  /** How many of them came from the store. */
  readonly kept: number;
}

/**
 * Batches that are looked up together: those of them that are missing fill whole batches of the
 * engine.
 */
const batchesAtOnce = 16;

/**
 * Embeds `count` faces in this process, in their order, some at a time; memory does not grow with
 * their number. Images are prepared while the engine works. What the store has is taken from there,
 * with the very bits that were computed once; the rest is computed and kept at once, so that a
 * killed run continues where it was.
 *
 * @throws PetalfaceError if a face has no embedding and `onLeft` is not given, or the store cannot
 * be written
 */
export async function* embedHere(
  count: number,
  request: (index: number) => ImageRequest,
  options: EmbedFacesOptions,
): AsyncGenerator<EmbeddedFaces> {
  const { embedder, store, signal } = options;
  using images = disposable(openImageStore());
  const window = store === undefined ? embedder.batch : batchesAtOnce * embedder.batch;
  const look = async (start: number): Promise<Window> => {
    const requests = Array.from({ length: Math.min(window, count - start) }, (_, i) =>
      withScore(request(start + i), embedder),
    );
    if (store === undefined) return { start, requests, planes: await loadAll(requests, options) };
    // What cannot be read has no key; the loader says why.
    const keys = await Promise.all(requests.map((one) => faceKey(one, images).catch(() => undefined)));
    const known = keys.filter((key) => key !== undefined);
    const found = (await store.get(known)).values();
    return { start, requests, keys, rows: keys.map((key) => (key === undefined ? undefined : found.next().value)) };
  };
  function* windows() {
    for (let start = 0; start < count; start += window) yield look(start);
  }
  for await (const found of prefetch(windows(), 2)) {
    signal?.throwIfAborted();
    yield await fillWindow(found, options);
  }
}

/** Planes of some faces, and what is wrong with those that cannot be read. */
interface Loaded {
  readonly pixels: Uint8Array;
  readonly bad: ReadonlyMap<number, PetalfaceError>;
}

async function loadAll(requests: readonly ImageRequest[], { loader }: EmbedFacesOptions): Promise<Loaded> {
  const bad = new Map<number, PetalfaceError>();
  const pixels = await loader.load(requests, (index, error) => bad.set(index, error));
  return { pixels, bad };
}

/**
 * A request with the score that the model takes, or without one where it takes none: what is kept
 * is then the same for all.
 */
function withScore(request: ImageRequest, { scores }: Embedder): ImageRequest {
  if (scores === undefined) return { ...request, quality: undefined };
  const { source, quality, degrade } = request;
  if (quality === undefined)
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      `${nameOfFace(source)} has no quality score, and this adapter needs one for each face: fill the column quality of the manifest`,
    );
  const score = degrade === undefined ? quality : scores.degraded;
  if (score === undefined)
    throw new PetalfaceError(
      "PETAL_QUALITY_UNFIT",
      "a degraded face has no external quality score, and the paper's rule has no default for it: measure with 'degrade=none', and enrol without copies",
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
  /** Without a store: all of them, as one batch. */
  readonly planes?: Loaded | undefined;
  /**
   * With a store: where each is kept, undefined where it cannot be read, and what is kept there.
   */
  readonly keys?: readonly (Uint32Array | undefined)[];
  readonly rows?: readonly (Float32Array | undefined)[];
}

/** Computes what a window lacks, keeps it, and puts everything in order. */
async function fillWindow(
  { start, requests, planes, keys, rows }: Window,
  options: EmbedFacesOptions,
): Promise<EmbeddedFaces> {
  const { embedder, store, signal, onLeft } = options;
  const { width, batch } = embedder;
  const count = requests.length;
  const missing = requests.flatMap((_, i) => (rows?.[i] === undefined ? [i] : []));
  const all: (Float32Array | undefined)[] = requests.map((_, i) => rows?.[i]);
  const bad = new Map<number, PetalfaceError>();
  const load = async (part: readonly number[]) => ({
    part,
    loaded:
      planes ??
      (await loadAll(
        part.map((i) => itemAt(requests, i)),
        options,
      )),
  });
  function* batches() {
    for (let from = 0; from < missing.length; from += batch) yield load(missing.slice(from, from + batch));
  }
  for await (const { part, loaded } of prefetch(batches(), 2)) {
    signal?.throwIfAborted();
    for (const [place, error] of loaded.bad) bad.set(itemAt(part, place), error);
    const asked = part.map((i) => itemAt(requests, i));
    const { data, alpha } = await embedder.embed(loaded.pixels, part.length, scoresOf(asked, embedder));
    const numbers = width + (alpha === undefined ? 0 : 1);
    const records = new Float32Array(part.length * numbers);
    part.forEach((face, row) => {
      records.set(data.subarray(row * width, (row + 1) * width), row * numbers);
      if (alpha !== undefined) records[row * numbers + width] = itemAt(alpha, row);
      all[face] = records.subarray(row * numbers, (row + 1) * numbers);
    });
    const good = part.flatMap((face, row) => {
      const key = keys?.[face];
      return bad.has(face) || key === undefined ? [] : [{ row, key }];
    });
    await store?.put(
      good.map(({ key }) => key),
      takeRows(
        records,
        numbers,
        good.map(({ row }) => row),
      ),
    );
  }
  const withAlpha = (all[0]?.length ?? width) > width;
  const data = new Float32Array(count * width);
  const alpha = new Float32Array(withAlpha ? count : 0);
  all.forEach((record, row) => {
    if (record === undefined) return;
    data.set(record.subarray(0, width), row * width);
    if (withAlpha) alpha[row] = itemAt(record, width);
  });
  const notFinite = new Set([...rowsNotFinite(data, width), ...rowsNotFinite(alpha, 1)]);
  const left = requests.flatMap((_, row) => (bad.has(row) || notFinite.has(row) ? [row] : []));
  for (const row of left) {
    const { source } = itemAt(requests, row);
    const unreadable = bad.get(row);
    const message = unreadable?.message ?? `${nameOfFace(source)}: its embedding is not finite`;
    if (onLeft === undefined)
      throw (
        unreadable ?? new PetalfaceError("PETAL_NOT_FINITE", `${message}; leave the picture out, or look at the model`)
      );
    data.fill(Number.NaN, row * width, (row + 1) * width);
    if (withAlpha) alpha[row] = Number.NaN;
    onLeft(start + row, { kind: unreadable === undefined ? "notFinite" : "unreadable", message });
  }
  return { start, count, data, alpha: withAlpha ? alpha : undefined, left, kept: count - missing.length };
}

/** Some rows, one behind the other. */
function takeRows(data: Float32Array, width: number, rows: readonly number[]): Float32Array {
  if (rows.length * width === data.length) return data;
  const out = new Float32Array(rows.length * width);
  rows.forEach((row, at) => {
    out.set(data.subarray(row * width, (row + 1) * width), at * width);
  });
  return out;
}
