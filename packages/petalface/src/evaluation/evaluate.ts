import type { Embedder } from "../backbones/index.ts";
import type { FaceData } from "../data/index.ts";
import type { EmbeddingStore } from "../embeddings/index.ts";
import {
  type DegradationSpec,
  drawDegradation,
  type ImageRequest,
  type Loader,
  parseDegradation,
  printDegradation,
} from "../images/index.ts";
import { type ProtocolEmbeddings, startMeasurement } from "./measure.ts";
import { resolveProtocol } from "./protocol.ts";
import { embedFused } from "./protocols/fuse.ts";
import type { Fusion } from "./protocols/types.ts";
import type { MeasureOptions } from "./summary.ts";
import type { EvaluationResult, PairsProtocol } from "./types.ts";

/** How far an evaluation is. */
export interface EvaluationProgress {
  /** Faces embedded, and how many there are in all; a face counts once for each degradation. */
  readonly done: number;
  readonly total: number;
  /** The degradation at work; null for sharp. */
  readonly degradation: string | null;
}

/** What to measure. */
export interface EvaluatePairsOptions extends MeasureOptions {
  readonly embedder: Embedder;
  readonly data: FaceData;
  readonly protocol: PairsProtocol;
  /** Degradations as `parseDegradation` reads them; each once. */
  readonly degradations: readonly string[];
  readonly loader: Pick<Loader, "load">;
  /** What is done with the mirror image; nothing unless given. */
  readonly fusion?: Fusion | undefined;
  /** Where embeddings of earlier runs are looked for and new ones kept. */
  readonly store?: EmbeddingStore | undefined;
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures a model on a pairs protocol: every distinct image is embedded once sharp and once with each degradation, in batches that are
 * prepared while the model works. Memory holds the embeddings of two of these and a few batches of pixels.
 *
 * @throws PetalfaceError if images are missing or unreadable, or an embedding is not finite.
 */
export async function evaluatePairs(options: EvaluatePairsOptions): Promise<EvaluationResult> {
  const { protocol, data } = options;
  const indices = resolveProtocol(protocol, data);
  const specs = new Map(
    options.degradations.map((text) => [printDegradation(parseDegradation(text)), parseDegradation(text)]),
  );
  const total = indices.length * (specs.size + 1);
  const embed = (degradation: string | null, position: number): Promise<ProtocolEmbeddings> =>
    embedImages(options, indices, degradation === null ? undefined : specs.get(degradation), (done) => {
      options.onProgress?.({ done: position * indices.length + done, total, degradation });
    });

  const measurement = await startMeasurement(protocol, data, await embed(null, 0));
  try {
    for (const [position, degradation] of [...specs.keys()].entries())
      await measurement.addDegraded(degradation, await embed(degradation, position + 1));
    return measurement.finish(options);
  } finally {
    await measurement.close();
  }
}

async function embedImages(
  { embedder, data, loader, store, signal, fusion = "none" }: EvaluatePairsOptions,
  indices: Int32Array,
  spec: DegradationSpec | undefined,
  onDone: (done: number) => void,
): Promise<ProtocolEmbeddings> {
  const { width } = embedder;
  const out = new Float32Array(indices.length * width);
  let alphas: Float32Array | undefined;
  const request = (index: number): ImageRequest => {
    const { source, id, quality } = data.at(indices[index] as number);
    // A face is degraded in the same way in every evaluation, whichever others are measured with it.
    return { source, flip: false, degrade: spec && drawDegradation(spec, id), quality };
  };
  for await (const part of embedFused(indices.length, request, fusion, { embedder, loader, store, signal })) {
    out.set(part.data, part.start * width);
    if (part.alpha !== undefined) {
      alphas ??= new Float32Array(indices.length);
      alphas.set(part.alpha, part.start);
    }
    onDone(part.start + part.count);
  }
  return { width, data: out, alpha: alphas };
}
