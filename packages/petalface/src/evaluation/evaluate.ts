import type { Embedder } from "../backbones/index.ts";
import type { FaceData } from "../data/index.ts";
import { type ImageRequest, type Loader, prefetch } from "../images/index.ts";
import { type MeasureOptions, type ProtocolEmbeddings, startMeasurement } from "./measure.ts";
import { resolveProtocol } from "./protocol.ts";
import type { EvaluationResult, PairsProtocol } from "./types.ts";

/** How far an evaluation is. */
export interface EvaluationProgress {
  /** Faces embedded, and how many there are in all; a face counts once for each resolution. */
  readonly done: number;
  readonly total: number;
  /** The resolution at work; null for sharp. */
  readonly pixels: number | null;
}

/** What to measure. */
export interface EvaluatePairsOptions extends MeasureOptions {
  readonly embedder: Embedder;
  readonly data: FaceData;
  readonly protocol: PairsProtocol;
  /** Sides in pixels of the degraded faces; each once. */
  readonly degradations: readonly number[];
  readonly loader: Pick<Loader, "load">;
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures a model on a pairs protocol: every distinct image is embedded once sharp and once at each resolution, in batches that are
 * prepared while the model works. Memory holds the embeddings of two resolutions and a few batches of pixels.
 *
 * @throws PetalfaceError if images are missing or unreadable, or an embedding is not finite.
 */
export async function evaluatePairs(options: EvaluatePairsOptions): Promise<EvaluationResult> {
  const { protocol, data } = options;
  const indices = resolveProtocol(protocol, data);
  const sizes = [...new Set(options.degradations)];
  const total = indices.length * (sizes.length + 1);
  const embed = (pixels: number | null, position: number): Promise<ProtocolEmbeddings> =>
    embedImages(options, indices, pixels, (done) => {
      options.onProgress?.({ done: position * indices.length + done, total, pixels });
    });

  const measurement = startMeasurement(protocol, data, await embed(null, 0));
  for (const [position, pixels] of sizes.entries()) measurement.addDegraded(pixels, await embed(pixels, position + 1));
  return measurement.finish(options);
}

async function embedImages(
  { embedder, data, loader, signal }: EvaluatePairsOptions,
  indices: Int32Array,
  pixels: number | null,
  onDone: (done: number) => void,
): Promise<ProtocolEmbeddings> {
  const { width, batch } = embedder;
  const out = new Float32Array(indices.length * width);
  let alpha: Float32Array | undefined;
  const load = async (start: number) => {
    const requests = Array.from(indices.subarray(start, start + batch), (index): ImageRequest => {
      const { source } = data.at(index);
      return pixels === null ? { source, flip: false } : { source, flip: false, degrade: { kind: "lr", pixels } };
    });
    return { start, count: requests.length, planes: await loader.load(requests) };
  };
  function* batches() {
    for (let start = 0; start < indices.length; start += batch) yield load(start);
  }
  for await (const { start, count, planes } of prefetch(batches(), 2)) {
    signal?.throwIfAborted();
    const embeddings = await embedder.embed(planes, count);
    out.set(embeddings.data.subarray(0, count * width), start * width);
    if (embeddings.alpha !== undefined) {
      alpha ??= new Float32Array(indices.length);
      alpha.set(embeddings.alpha.subarray(0, count), start);
    }
    onDone(start + count);
  }
  return { width, data: out, alpha };
}
