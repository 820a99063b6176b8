import { createHash } from "node:crypto";
import { rowsNotFinite } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import { identify, type Matcher, normaliseRows, openMatcher, pairScores, rowsOf, takeRows } from "../matching/index.ts";
import { summariseProtocol } from "./protocols/pairs.ts";
import type { Condition, EvaluationResult, ImageAlphas, Outcome, PairsProtocol } from "./results/types.ts";
import { type MeasureOptions, summariseOutcomes } from "./statistics/summary.ts";

/** Embeddings of all images of a protocol, one row an image, as the network gives them. */
export interface ProtocolEmbeddings {
  readonly width: number;
  readonly data: Float32Array;
  readonly alpha?: Float32Array | undefined;
}

/**
 * Collects outcomes condition by condition, so that embeddings of one degradation can be dropped before the next is computed. Close it
 * after use.
 */
export interface Measurement {
  /** Scores and ranks of both sides degraded, and of sharp against degraded. `degradation` is how results spell it. */
  addDegraded(degradation: string, embeddings: ProtocolEmbeddings): Promise<void>;
  finish(options?: MeasureOptions): EvaluationResult;
  close(): Promise<void>;
}

/**
 * Starts measuring with the sharp embeddings of a protocol.
 *
 * @throws PetalfaceError if the embeddings do not fit the protocol or are not finite.
 */
export async function startMeasurement(
  protocol: PairsProtocol,
  data: { readonly spec: string; readonly fingerprint: string },
  sharp: ProtocolEmbeddings,
): Promise<Measurement> {
  const { images, pairs, gallery, probes } = protocol;
  const { width } = sharp;
  const person = (image: number): number => images[image]?.person ?? -1;
  const sharpRows = normaliseProtocol(protocol, sharp, width);
  const list = pairList(protocol);
  const twice = doubled(list);
  const search = { person: Int32Array.from(probes, person), item: Int32Array.from(probes) };
  const enrolled = {
    gallery: rowsOf(takeRows(sharpRows, width, gallery), width),
    galleryLabels: Int32Array.from(gallery, person),
  };
  const matcher = await openMatcher(width);
  const rank = async (condition: Condition, rows: Float32Array): Promise<readonly Outcome[]> => {
    if (probes.length === 0) return [];
    const task = { ...enrolled, probes: takeRows(rows, width, probes), probeLabels: search.person };
    const found = await identify(matcher, task);
    return [
      {
        kind: "identification",
        condition,
        ...search,
        rank: found.rank,
        mate: found.mate,
        other: found.other,
        gallery: gallery.length,
      },
    ];
  };
  const verify = (condition: Condition, ...sides: (readonly [Float32Array, Float32Array])[]): Outcome => {
    const parts = sides.map(([a, b]) => pairScores(a, b, width, list.firstItem, list.secondItem));
    const scores = new Float32Array(parts.length * pairs.length);
    parts.forEach((part, i) => {
      scores.set(part, i * pairs.length);
    });
    return { kind: "verification", condition, ...(parts.length === 2 ? twice : list), scores };
  };

  // Verification first, then identification, as tables show them.
  const verifications: Outcome[] = [verify({ kind: "sharp" }, [sharpRows, sharpRows])];
  const searches: Outcome[] = [...(await closing(matcher, rank({ kind: "sharp" }, sharpRows)))];
  const alphas: ImageAlphas[] = sharp.alpha === undefined ? [] : [{ degradation: null, alpha: sharp.alpha }];
  const digests = digestRows(sharp.data, width);
  const degradations: string[] = [];

  return {
    async addDegraded(degradation, embeddings) {
      const rows = normaliseProtocol(protocol, embeddings, width);
      degradations.push(degradation);
      verifications.push(
        verify({ kind: "lr", degradation }, [rows, rows]),
        verify({ kind: "mixed", degradation }, [sharpRows, rows], [rows, sharpRows]),
      );
      searches.push(...(await rank({ kind: "mixed", degradation }, rows)));
      if (embeddings.alpha !== undefined) alphas.push({ degradation, alpha: embeddings.alpha });
    },
    finish(options = {}) {
      const outcomes = [...verifications, ...searches];
      const detail = { items: images.map(({ id }) => id), outcomes, alphas, digests };
      return summariseOutcomes({ protocol: summariseProtocol(protocol), data, degradations, detail }, options);
    },
    close: () => matcher.close(),
  };
}

/** Closes the matcher if its first use fails: no other code can. */
async function closing<T>(matcher: Matcher, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    await matcher.close();
    throw error;
  }
}

/** What all conditions of a protocol have in common. */
function pairList({ images, pairs }: PairsProtocol) {
  const firstItem = Int32Array.from(pairs, (pair) => pair.first);
  const secondItem = Int32Array.from(pairs, (pair) => pair.second);
  const person = (image: number): number => images[image]?.person ?? -1;
  return {
    same: Uint8Array.from(pairs, (pair) => (pair.same ? 1 : 0)),
    fold: Int32Array.from(pairs, (pair) => pair.fold),
    first: firstItem.map(person),
    second: secondItem.map(person),
    firstItem,
    secondItem,
  };
}

/** The list behind itself: once for each side being the degraded one. */
function doubled(list: ReturnType<typeof pairList>): ReturnType<typeof pairList> {
  const twice = <T extends Uint8Array | Int32Array>(values: T): T => {
    const out = new (values.constructor as new (length: number) => T)(2 * values.length);
    out.set(values);
    out.set(values, values.length);
    return out;
  };
  const { same, fold, first, second, firstItem, secondItem } = list;
  return {
    same: twice(same),
    fold: twice(fold),
    first: twice(first),
    second: twice(second),
    firstItem: twice(firstItem),
    secondItem: twice(secondItem),
  };
}

/**
 * Measures given embeddings at once.
 *
 * @param degraded embeddings of the same images under each degradation.
 */
export async function measureEmbeddings(
  protocol: PairsProtocol,
  data: { readonly spec: string; readonly fingerprint: string },
  sharp: ProtocolEmbeddings,
  degraded: ReadonlyMap<string, ProtocolEmbeddings>,
  options: MeasureOptions = {},
): Promise<EvaluationResult> {
  const measurement = await startMeasurement(protocol, data, sharp);
  try {
    for (const [degradation, embeddings] of degraded) await measurement.addDegraded(degradation, embeddings);
    return measurement.finish(options);
  } finally {
    await measurement.close();
  }
}

function normaliseProtocol(protocol: PairsProtocol, embeddings: ProtocolEmbeddings, width: number): Float32Array {
  const count = protocol.images.length;
  if (embeddings.width !== width || embeddings.data.length !== count * width)
    throw new PetalfaceError(
      `embeddings of ${protocol.name} are ${embeddings.data.length} numbers, ${embeddings.width} a face; expected ${count} x ${width}`,
    );
  const [bad] = rowsNotFinite(embeddings.data, width);
  if (bad !== undefined)
    throw new PetalfaceError(
      `${protocol.name}: the embedding of ${protocol.images[bad]?.id} is not finite; leave the picture out, or look at the model`,
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
