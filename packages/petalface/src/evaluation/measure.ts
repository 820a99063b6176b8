import { createHash } from "node:crypto";
import { PetalfaceError } from "../errors.ts";
import { bootstrap, estimate } from "./bootstrap.ts";
import { summariseProtocol } from "./protocol.ts";
import { normaliseRows, pairScores, rankOneHits, takeRows } from "./scores.ts";
import { prepareStatistics } from "./statistics.ts";
import type {
  BootstrapSummary,
  ConditionHits,
  ConditionScores,
  EvaluationDetail,
  EvaluationResult,
  Identical,
  ImageAlphas,
  PairsProtocol,
} from "./types.ts";

/** False accept rates that are measured where the protocol has the impostors for them. */
export const defaultFars: readonly number[] = [0.1, 0.01, 0.001, 0.0001];

/** Embeddings of all images of a protocol, one row an image, as the network gives them. */
export interface ProtocolEmbeddings {
  readonly width: number;
  readonly data: Float32Array;
  readonly alpha?: Float32Array | undefined;
}

/** How to turn outcomes into measures. */
export interface MeasureOptions {
  /** Resamples of the bootstrap over people (1000), and its seed (1). */
  readonly bootstrap?: Partial<BootstrapSummary> | undefined;
  readonly fars?: readonly number[] | undefined;
  /** A result of the frozen model on the same protocol. */
  readonly frozen?: EvaluationResult | undefined;
}

/** Collects outcomes condition by condition, so that embeddings of one degradation can be dropped before the next is computed. */
export interface Measurement {
  /** Scores and ranks of both sides degraded, and of sharp against degraded. `degradation` is how results spell it. */
  addDegraded(degradation: string, embeddings: ProtocolEmbeddings): void;
  finish(options?: MeasureOptions): EvaluationResult;
}

/**
 * Starts measuring with the sharp embeddings of a protocol.
 *
 * @throws PetalfaceError if the embeddings do not fit the protocol or are not finite.
 */
export function startMeasurement(
  protocol: PairsProtocol,
  data: { readonly spec: string; readonly fingerprint: string },
  sharp: ProtocolEmbeddings,
): Measurement {
  const { images, pairs, gallery, probes } = protocol;
  const { width } = sharp;
  const person = (image: number): number => images[image]?.person ?? -1;
  const firstImage = Int32Array.from(pairs, (pair) => pair.first);
  const secondImage = Int32Array.from(pairs, (pair) => pair.second);
  const galleryPeople = Int32Array.from(gallery, person);
  const probePerson = Int32Array.from(probes, person);
  const sharpRows = normaliseProtocol(protocol, sharp, width);
  const galleryRows = takeRows(sharpRows, width, gallery);

  const scores: ConditionScores[] = [
    { condition: { kind: "sharp" }, scores: pairScores(sharpRows, sharpRows, width, firstImage, secondImage) },
  ];
  const hits: ConditionHits[] = [];
  const rank = (rows: Float32Array): Uint8Array =>
    rankOneHits(takeRows(rows, width, probes), probePerson, galleryRows, galleryPeople, width);
  if (probes.length > 0) hits.push({ condition: { kind: "sharp" }, hits: rank(sharpRows) });
  const alphas: ImageAlphas[] = sharp.alpha === undefined ? [] : [{ degradation: null, alpha: sharp.alpha }];
  const digests = digestRows(sharp.data, width);

  return {
    addDegraded(degradation, embeddings) {
      const rows = normaliseProtocol(protocol, embeddings, width);
      scores.push({
        condition: { kind: "lr", degradation },
        scores: pairScores(rows, rows, width, firstImage, secondImage),
      });
      const mixed = new Float32Array(2 * pairs.length);
      mixed.set(pairScores(sharpRows, rows, width, firstImage, secondImage));
      mixed.set(pairScores(rows, sharpRows, width, firstImage, secondImage), pairs.length);
      scores.push({ condition: { kind: "mixed", degradation }, scores: mixed });
      if (probes.length > 0) hits.push({ condition: { kind: "mixed", degradation }, hits: rank(rows) });
      if (embeddings.alpha !== undefined) alphas.push({ degradation, alpha: embeddings.alpha });
    },
    finish(options = {}) {
      const detail: EvaluationDetail = {
        same: Uint8Array.from(pairs, (pair) => (pair.same ? 1 : 0)),
        fold: Int32Array.from(pairs, (pair) => pair.fold),
        first: firstImage.map(person),
        second: secondImage.map(person),
        firstImage,
        secondImage,
        probePerson,
        scores,
        hits,
        alphas,
        digests,
      };
      return summarise(protocol, data, detail, options);
    },
  };
}

/**
 * Measures given embeddings at once.
 *
 * @param degraded embeddings of the same images under each degradation.
 */
export function measureEmbeddings(
  protocol: PairsProtocol,
  data: { readonly spec: string; readonly fingerprint: string },
  sharp: ProtocolEmbeddings,
  degraded: ReadonlyMap<string, ProtocolEmbeddings>,
  options: MeasureOptions = {},
): EvaluationResult {
  const measurement = startMeasurement(protocol, data, sharp);
  for (const [degradation, embeddings] of degraded) measurement.addDegraded(degradation, embeddings);
  return measurement.finish(options);
}

function summarise(
  protocol: PairsProtocol,
  data: { readonly spec: string; readonly fingerprint: string },
  detail: EvaluationDetail,
  options: MeasureOptions,
): EvaluationResult {
  const settings: BootstrapSummary = {
    resamples: options.bootstrap?.resamples ?? 1000,
    seed: options.bootstrap?.seed ?? 1,
  };
  const { names, unresolved, compute } = prepareStatistics(detail, protocol.folds, options.fars ?? defaultFars);
  const rows = bootstrap(protocol.people.length, settings, compute);
  const summary = summariseProtocol(protocol);
  const frozen = options.frozen;
  if (frozen !== undefined && frozen.protocol.fingerprint !== summary.fingerprint)
    throw new PetalfaceError(
      `the frozen model was measured on ${frozen.protocol.name}, not on ${summary.name}; measure both on the same pairs`,
    );
  return {
    format: "petalface-evaluation/2",
    protocol: summary,
    data: { spec: data.spec, fingerprint: data.fingerprint },
    degradations: detail.scores.flatMap(({ condition }) => (condition.kind === "lr" ? [condition.degradation] : [])),
    bootstrap: settings,
    measures: names.map((name, index) => ({ ...name, ...estimate(rows[index] as Float64Array) })),
    unresolved,
    ...(frozen === undefined ? {} : { identical: identicalShare(detail, frozen.detail) }),
    detail,
  };
}

/** Shares of sharp images and of pairs whose embeddings have the same bits in both results of one protocol. */
export function identicalShare(a: EvaluationDetail, b: EvaluationDetail): Identical {
  const equal = a.digests.map((digest, image) => digest === b.digests[image]);
  let pairs = 0;
  for (let pair = 0; pair < a.firstImage.length; pair++)
    if (equal[a.firstImage[pair] as number] && equal[a.secondImage[pair] as number]) pairs++;
  return { images: equal.filter(Boolean).length / equal.length, pairs: pairs / a.firstImage.length };
}

function normaliseProtocol(protocol: PairsProtocol, embeddings: ProtocolEmbeddings, width: number): Float32Array {
  const count = protocol.images.length;
  if (embeddings.width !== width || embeddings.data.length !== count * width)
    throw new PetalfaceError(
      `embeddings of ${protocol.name} are ${embeddings.data.length} numbers, ${embeddings.width} a face; expected ${count} x ${width}`,
    );
  return normaliseRows(embeddings.data, width);
}

function digestRows(data: Float32Array, width: number): string[] {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const rowBytes = width * 4;
  return Array.from({ length: data.length / width }, (_, row) =>
    createHash("sha256")
      .update(bytes.subarray(row * rowBytes, (row + 1) * rowBytes))
      .digest("hex")
      .slice(0, 16),
  );
}
