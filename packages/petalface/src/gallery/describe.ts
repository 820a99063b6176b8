import { itemAt } from "onnx-grad";
import type { Adapter } from "../adapters/index.ts";
import { type Backbone, type Embedder, type EmbeddingModel, openEmbedder, rowsNotFinite } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import { hashFace, hashWords, type ImageRequest, type Loader, nameOfFace, prefetch } from "../images/index.ts";
import { addScaled, normaliseRows } from "../matching/index.ts";
import { type Calibration, isGiven, measureOf, qualityGraph } from "../quality/index.ts";
import type { SessionOptions } from "../runtime/index.ts";
import type { FaceEmbedding } from "./types.ts";

/** Everything that a gallery wants to know of a face. */
export interface FaceDescription extends FaceEmbedding {
  /** Perceptual hash, 32 bytes; none where it was not asked for. */
  readonly picture: Uint8Array;
}

/** Turns faces into {@link FaceDescription}s; close it after use. */
export interface Describer extends AsyncDisposable {
  readonly embedder: Embedder;
  /** Scores and alphas of what the model itself does not judge. */
  readonly judge: Embedder | undefined;
}

/**
 * Loads a model, and what judges quality, where the faces do not bring their scores.
 *
 * @param calibration how a score becomes alpha; without one alpha is 1
 */
export async function openDescriber(
  opened: { readonly backbone: Backbone; readonly adapter?: Adapter | undefined; readonly model: EmbeddingModel },
  calibration: Calibration | null,
  session: SessionOptions,
): Promise<Describer> {
  const { backbone, adapter, model } = opened;
  const embedder = await openEmbedder(model, session);
  let judge: Embedder | undefined;
  try {
    const without = calibration === null || calibration.kind === "given" || isGiven(calibration.measure);
    if (!without) judge = await openJudge(backbone, calibration, adapter, { ...session, batch: embedder.batch });
  } catch (error) {
    await embedder.close();
    throw error;
  }
  return {
    embedder,
    judge,
    async [Symbol.asyncDispose]() {
      await embedder.close();
      await judge?.close();
    },
  };
}

function openJudge(
  backbone: Backbone,
  calibration: Calibration,
  adapter: Adapter | undefined,
  session: SessionOptions & { readonly batch: number },
): Promise<Embedder> {
  const measure = measureOf(calibration.measure, adapter?.config.weights);
  const { graph, score, alpha } = qualityGraph(backbone, measure, calibration);
  return openEmbedder({ ...backbone, graph, output: score, width: 1, ...(alpha && { alpha }) }, session);
}

/** What {@link describeFaces} needs besides the faces. */
export interface DescribeOptions {
  readonly describer: Pick<Describer, "embedder" | "judge">;
  /** At the model's size. */
  readonly loader: Pick<Loader, "load">;
  /** Sides in pixels of the low-resolution copies. */
  readonly copies: readonly number[];
  /** Whether to hash the pictures too, which searches do not need; true unless given. */
  readonly pictures?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called for each face that cannot be read or has no finite embedding, and why. */
  readonly onLeft: (index: number, reason: string) => void;
}

/** Some faces in a row; undefined where one was left out. */
export interface DescribedFaces {
  readonly start: number;
  readonly faces: readonly (FaceDescription | undefined)[];
}

/**
 * Describes faces in their order, a batch at a time; pictures are prepared while the engine works.
 */
export async function* describeFaces(
  requests: readonly ImageRequest[],
  options: DescribeOptions,
): AsyncGenerator<DescribedFaces> {
  const { describer, loader, copies, signal } = options;
  const { batch, scores: external } = describer.embedder;
  function* batches() {
    for (let start = 0; start < requests.length; start += batch) {
      const part = requests.slice(start, start + batch);
      for (const { source, quality } of external === undefined ? [] : part)
        if (quality === undefined)
          throw new PetalfaceError(
            "PETAL_QUALITY_UNFIT",
            `${nameOfFace(source)} has no quality score, and this adapter needs one for each face: give a manifest with a column quality`,
          );
      yield loadBatch(start, part, copies, loader);
    }
  }
  for await (const loaded of prefetch(batches(), 2)) {
    signal?.throwIfAborted();
    yield await describeBatch(loaded, options);
  }
}

interface LoadedBatch {
  readonly start: number;
  readonly requests: readonly ImageRequest[];
  readonly sharp: Uint8Array;
  readonly copies: readonly Uint8Array[];
  readonly bad: ReadonlyMap<number, string>;
}

async function loadBatch(
  start: number,
  requests: readonly ImageRequest[],
  copies: readonly number[],
  loader: Pick<Loader, "load">,
): Promise<LoadedBatch> {
  const bad = new Map<number, string>();
  const [sharp, ...small] = await Promise.all([
    loader.load(requests, (index, { message }) => bad.set(index, message)),
    ...copies.map((pixels) =>
      loader.load(
        requests.map((request) => ({ ...request, degrade: { kind: "lr" as const, pixels } })),
        // The sharp one says why.
        () => {},
      ),
    ),
  ]);
  return { start, requests, sharp, copies: small, bad };
}

async function describeBatch(
  { start, requests, sharp, copies, bad }: LoadedBatch,
  { describer: { embedder, judge }, onLeft, pictures = true }: DescribeOptions,
): Promise<DescribedFaces> {
  const { width, size, scores: external } = embedder;
  const count = requests.length;
  const scores = external && Float32Array.from(requests, ({ quality = Number.NaN }) => quality);
  // Each result is copied: the engine may use its memory again.
  const own = await embedder.embed(sharp, count, scores);
  const vectors = own.data.slice();
  const alphaOfModel = own.alpha?.slice();
  const judged = await judge?.embed(sharp, count);
  const alpha = alphaOfModel ?? judged?.alpha?.slice() ?? new Float32Array(count).fill(1);
  const score = judged?.data.slice() ?? scores;
  const sums = new Float32Array(count * width);
  for (const planes of copies) {
    const degraded = external && new Float32Array(count).fill(external.degraded ?? Number.NaN);
    const { data } = await embedder.embed(planes, count, degraded);
    for (const row of rowsNotFinite(data, width)) data.fill(0, row * width, (row + 1) * width);
    addScaled(sums, normaliseRows(data, width));
  }
  const notFinite = new Set([...rowsNotFinite(vectors, width), ...rowsNotFinite(alpha, 1)]);
  const bytes = 3 * size ** 2;
  const faces = requests.map(({ source }, row): FaceDescription | undefined => {
    const problem =
      bad.get(row) ?? (notFinite.has(row) ? `${nameOfFace(source)}: its embedding is not finite` : undefined);
    if (problem !== undefined) {
      onLeft(start + row, problem);
      return undefined;
    }
    const hash = new Uint32Array(pictures ? hashWords : 0);
    if (pictures) hashFace(sharp.subarray(row * bytes, (row + 1) * bytes), size, hash, 0);
    return {
      vector: vectors.slice(row * width, (row + 1) * width),
      copies: sums.slice(row * width, (row + 1) * width),
      alpha: itemAt(alpha, row),
      score: score === undefined ? null : itemAt(score, row),
      picture: new Uint8Array(hash.buffer),
    };
  });
  return { start, faces };
}
