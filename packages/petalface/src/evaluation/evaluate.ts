import type { Embedder } from "../backbones/index.ts";
import { type FaceData, tallyOf } from "../data/index.ts";
import type { EmbeddingStore, LeftFace } from "../embeddings/index.ts";
import {
  type DegradationSpec,
  drawDegradation,
  type ImageRequest,
  type Loader,
  parseDegradation,
  printDegradation,
} from "../images/index.ts";
import { takeRows } from "../matching/index.ts";
import { type ProtocolEmbeddings, startMeasurement } from "./measure.ts";
import { embedFused } from "./protocols/fuse.ts";
import { resolveProtocol } from "./protocols/pairs.ts";
import type { Fusion } from "./protocols/types.ts";
import { type LeftOut, withoutImages } from "./protocols/without.ts";
import type { EvaluationResult, PairsProtocol } from "./results/types.ts";
import type { MeasureOptions } from "./statistics/summary.ts";

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
  /** What another model's measurement left out, to be left out from the start. */
  readonly leave?: LeftOut | undefined;
  readonly onProgress?: ((progress: EvaluationProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Measures a model on a pairs protocol: every distinct image is embedded once sharp and once with each degradation, in batches that are
 * prepared while the model works. Memory holds the embeddings of two of these and a few batches of pixels.
 *
 * An image that cannot be read, or whose embedding is not finite under any condition, is left out of all of them, with the pairs that it is in;
 * `leftOut` of the result says which. The protocol's fingerprint is then another one, so that only results on the same images are compared.
 *
 * @throws PetalfaceError if images are missing, or more than `data.mostLeftOut` (5 %) must be left out
 */
export async function evaluatePairs(options: EvaluatePairsOptions): Promise<EvaluationResult> {
  const { protocol, data } = options;
  const indices = resolveProtocol(protocol, data);
  const specs = new Map(
    options.degradations.map((text) => [printDegradation(parseDegradation(text)), parseDegradation(text)]),
  );
  const left = createLeft(options, indices);
  for (;;) {
    const result = await measureOnce(options, indices, specs, left);
    if (result !== undefined) return result;
  }
}

/** The images that are left out so far, as numbers of the whole protocol. */
type Left = ReturnType<typeof createLeft>;

function createLeft({ protocol, data, leave }: EvaluatePairsOptions, indices: Int32Array) {
  const images = new Set<number>();
  const named = new Set(leave?.faces);
  protocol.images.forEach(({ id }, image) => {
    if (named.has(id)) images.add(image);
  });
  const length = indices.length - (leave?.count ?? 0);
  const tally = tallyOf({ spec: data.spec, length, unreadable: leave, mostLeftOut: data.mostLeftOut });
  tally.tried(length);
  const report = (): LeftOut | undefined =>
    images.size === 0
      ? undefined
      : { ...tally.report(), faces: protocol.images.filter((_, image) => images.has(image)).map(({ id }) => id) };
  return {
    images,
    report,
    add(image: number, { message, kind }: LeftFace): void {
      if (images.has(image)) return;
      images.add(image);
      tally.bad(message, kind);
    },
  };
}

/** Measures what is not left out; undefined where more turned out to be unusable once sharp images had been measured. */
async function measureOnce(
  options: EvaluatePairsOptions,
  indices: Int32Array,
  specs: ReadonlyMap<string, DegradationSpec>,
  left: Left,
): Promise<EvaluationResult | undefined> {
  const { data } = options;
  const total = indices.length * (specs.size + 1);
  const whole = Int32Array.from(indices.keys());
  const before = left.images.size === 0 ? whole : withoutImages(options.protocol, left.images).kept;
  const embed = (images: Int32Array, degradation: string | null, position: number): Promise<ProtocolEmbeddings> =>
    embedImages(options, { indices, images, left }, degradation === null ? undefined : specs.get(degradation), (done) =>
      options.onProgress?.({ done: position * indices.length + done, total, degradation }),
    );
  const all = await embed(before, null, 0);
  const { protocol, kept } =
    left.images.size === 0 ? { protocol: options.protocol, kept: whole } : withoutImages(options.protocol, left.images);
  const sharp = kept.length === before.length ? all : takeImages(all, before, kept);
  const measurement = await startMeasurement(protocol, data, sharp);
  try {
    for (const [position, degradation] of [...specs.keys()].entries()) {
      const known = left.images.size;
      const degraded = await embed(kept, degradation, position + 1);
      if (left.images.size > known) return undefined;
      await measurement.addDegraded(degradation, degraded);
    }
    const leftOut = left.report();
    return { ...measurement.finish(options), ...(leftOut && { leftOut }) };
  } finally {
    await measurement.close();
  }
}

/** The rows of some of the images. */
function takeImages({ width, data, alpha }: ProtocolEmbeddings, of: Int32Array, kept: Int32Array): ProtocolEmbeddings {
  const place = new Map(Array.from(of, (image, row) => [image, row]));
  const rows = Array.from(kept, (image) => place.get(image) as number);
  return {
    width,
    data: takeRows(data, width, rows),
    alpha: alpha && Float32Array.from(rows, (row) => alpha[row] as number),
  };
}

async function embedImages(
  { embedder, data, loader, store, signal, fusion = "none" }: EvaluatePairsOptions,
  { indices, images, left }: { readonly indices: Int32Array; readonly images: Int32Array; readonly left: Left },
  spec: DegradationSpec | undefined,
  onDone: (done: number) => void,
): Promise<ProtocolEmbeddings> {
  const { width } = embedder;
  const out = new Float32Array(images.length * width);
  let alphas: Float32Array | undefined;
  const request = (row: number): ImageRequest => {
    const { source, id, quality } = data.at(indices[images[row] as number] as number);
    // A face is degraded in the same way in every evaluation, whichever others are measured with it.
    return { source, flip: false, degrade: spec && drawDegradation(spec, id), quality };
  };
  const onLeft = (row: number, why: LeftFace): void => left.add(images[row] as number, why);
  const how = { embedder, loader, store, signal, onLeft };
  for await (const part of embedFused(images.length, request, fusion, how)) {
    out.set(part.data, part.start * width);
    if (part.alpha !== undefined) {
      alphas ??= new Float32Array(images.length);
      alphas.set(part.alpha, part.start);
    }
    onDone(part.start + part.count);
  }
  return { width, data: out, alpha: alphas };
}
