import { type FaceData, isDrawn, tallyOf, type Unreadable } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { openLoader } from "../../images/index.ts";
import type { CopyOptions } from "../../matching/index.ts";
import { type Keep, openResources } from "../../resources.ts";
import { type CacheOptions, openCache } from "../cache.ts";
import { copiesFor, type EnrolledCopies } from "../copies.ts";
import { type Faces, type LeftOutOptions, noteMoreLeftOut, openFaces } from "../data.ts";
import { type GivenModel, type Model, modelOf } from "../model.ts";
import { type CallOptions, type Surroundings, surroundingsOf } from "../surroundings.ts";
import { type EmbeddedBatch, embedData, enrolData } from "./set.ts";

/** What to embed, and with which model. */
export interface EmbedOptions extends GivenModel, CallOptions, CacheOptions, LeftOutOptions {
  readonly images: Faces;
  /**
   * Enrols the faces: each row is a template of the photo and of low-resolution copies of it. With
   * the weight `alpha` a face has two vectors: the photo at unit length, and the sum of its copies.
   */
  readonly copies?: EnrolledCopies | undefined;
}

/** The embeddings of a set of faces. */
export interface Embedded {
  /**
   * `count x vectors x width`, row-major, as the network gives them (not normalised); templates
   * with copies have length 1.
   */
  readonly embeddings: Float32Array;
  readonly count: number;
  /** 2 for faces enrolled with copies whose weight is `alpha`, otherwise 1. */
  readonly vectors: 1 | 2;
  readonly width: number;
  /** Alpha of each face in [0, 1], where there is an adapter: 1 is sharp. */
  readonly alpha?: Float32Array | undefined;
  /** Of each row the face: its path within the set, its id or its number. */
  readonly ids: readonly string[];
  /** Of each row the person; undefined where the person is unknown. */
  readonly people: readonly (string | undefined)[];
  /** Faces that have no row: they cannot be read, or have no finite embedding. */
  readonly leftOut: Unreadable;
  /** How many embeddings were kept from earlier calls. */
  readonly kept: number;
}

/**
 * Embeds a set of faces, in its order. All embeddings are held in memory; `embedToFile` writes
 * them part by part instead.
 *
 * @throws PetalfaceError if the model or the images cannot be used, or too many images are left out
 */
export async function embed(options: EmbedOptions): Promise<Embedded> {
  const surroundings = surroundingsOf(options);
  await using open = openResources();
  const { model, data, vectors, parts, leftOut } = await openEmbedding(options, surroundings, open.keep);
  const row = vectors * model.width;
  const embeddings = new Float32Array(data.length * row);
  const alpha = new Float32Array(model.adapter === undefined ? 0 : data.length);
  const ids: string[] = [];
  const people: (string | undefined)[] = [];
  let kept = 0;
  let hasAlpha = false;
  for await (const part of parts) {
    embeddings.set(part.rows, ids.length * row);
    if (part.alpha !== undefined) alpha.set(part.alpha, ids.length);
    hasAlpha ||= part.alpha !== undefined;
    ids.push(...part.ids);
    people.push(...part.people);
    kept += part.kept;
  }
  const count = ids.length;
  return {
    embeddings: embeddings.subarray(0, count * row),
    count,
    vectors,
    width: model.width,
    ids,
    people,
    leftOut: leftOut(count),
    kept,
    ...(hasAlpha && { alpha: alpha.subarray(0, count) }),
  };
}

/** Some faces in a row, without those that have no embedding. */
export interface EmbeddedPart {
  /** `ids.length x vectors x width`. */
  readonly rows: Float32Array;
  readonly alpha: Float32Array | undefined;
  readonly ids: readonly string[];
  readonly people: readonly (string | undefined)[];
  readonly kept: number;
}

/** A set of faces whose embedding has begun. */
export interface Embedding {
  readonly model: Model;
  readonly data: FaceData;
  readonly copies: CopyOptions | undefined;
  readonly vectors: 1 | 2;
  /** The embeddings, in the order of the set. */
  readonly parts: AsyncIterable<EmbeddedPart>;
  /**
   * What has no row, which is noted too; at the end of the parts.
   *
   * @param count rows that there are
   * @throws PetalfaceError where there are none
   */
  leftOut(count: number): Unreadable;
}

/** Opens everything that embedding a set takes. Throws PetalfaceError. */
export async function openEmbedding(
  options: Omit<EmbedOptions, keyof CallOptions>,
  surroundings: Surroundings,
  keep: Keep,
): Promise<Embedding> {
  const model = await modelOf(options, keep);
  const copies = copiesFor(options.copies, model.size);
  const vectors = copies?.weight === "alpha" ? 2 : 1;
  const data = await openFaces(options.images, options, surroundings);
  const store = keep(await openCache(options, model, model.engine, surroundings));
  const embedder = await model.embedder();
  const { threads } = model.engine;
  const loader = keep(openLoader({ size: model.size, threads, faces: data.length, drawn: isDrawn(data) }));
  const tally = tallyOf(data);
  const how = { embedder, loader, tally, store, signal: surroundings.signal };
  const row = vectors * model.width;
  async function* parts(): AsyncGenerator<EmbeddedPart> {
    const progress = surroundings.progress("embedding", data.length, "faces");
    try {
      for await (const batch of copies === undefined ? embedData(data, how) : enrolData(data, copies, how)) {
        yield withoutLeft(batch, data, row);
        progress.update(batch.start + batch.count);
      }
    } finally {
      progress.close();
    }
  }
  return {
    model,
    data,
    copies,
    vectors,
    parts: parts(),
    leftOut(count) {
      const leftOut = tally.report();
      if (count === 0)
        throw new PetalfaceError("PETAL_DATA_DAMAGED", `${data.spec}: no face has an embedding; ${leftOut.first[0]}`);
      noteMoreLeftOut(data, leftOut, surroundings);
      return leftOut;
    },
  };
}

/** A part whose rows have moved up to where those that are left out would be. */
function withoutLeft({ data: rows, alpha, ...batch }: EmbeddedBatch, { people }: FaceData, row: number): EmbeddedPart {
  const left = new Set(batch.left);
  const used = [...batch.samples.keys()].filter((at) => !left.has(at));
  used.forEach((at, to) => {
    rows.copyWithin(to * row, at * row, (at + 1) * row);
    alpha?.copyWithin(to, at, at + 1);
  });
  const faces = batch.samples.filter((_, at) => !left.has(at));
  return {
    rows: rows.subarray(0, used.length * row),
    alpha: alpha?.subarray(0, used.length),
    ids: faces.map(({ id }) => id),
    people: faces.map(({ person }) => people[person]),
    kept: batch.kept,
  };
}
