import { tallyOf, type Unreadable } from "../data/index.ts";
import { PetalfaceError } from "../errors.ts";
import { openLoader } from "../images/index.ts";
import { openResources } from "../resources.ts";
import { type CacheOptions, openCache } from "./cache.ts";
import { type Faces, type LeftOutOptions, noteMoreLeftOut, openFaces } from "./data.ts";
import { embedData } from "./embed-data.ts";
import { type GivenModel, modelOf } from "./model.ts";
import { type CallOptions, surroundingsOf } from "./surroundings.ts";

/** What to embed, and with which model. */
export interface EmbedOptions extends GivenModel, CallOptions, CacheOptions, LeftOutOptions {
  readonly images: Faces;
}

/** The embeddings of a set of faces. */
export interface Embedded {
  /** `count x width`, row-major, as the network gives them (not normalised). */
  readonly embeddings: Float32Array;
  readonly count: number;
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
 * Embeds a set of faces, in its order. All embeddings are held in memory; `petalface embed` writes them part by part instead.
 *
 * @throws PetalfaceError if the model or the images cannot be used, or too many images are left out
 */
export async function embed(options: EmbedOptions): Promise<Embedded> {
  const surroundings = surroundingsOf(options);
  await using open = openResources();
  const model = await modelOf(options, open.keep);
  const data = await openFaces(options.images, options, surroundings);
  const { width } = model;
  const embeddings = new Float32Array(data.length * width);
  const alpha = new Float32Array(model.adapter === undefined ? 0 : data.length);
  const ids: string[] = [];
  const people: (string | undefined)[] = [];
  let kept = 0;
  const tally = tallyOf(data);
  const { signal } = surroundings;
  const store = open.keep(await openCache(options, model, model.engine, surroundings));
  const embedder = await model.embedder();
  const loader = open.keep(openLoader({ size: model.size, threads: model.engine.threads }));
  const progress = open.keep(surroundings.progress("embedding", data.length, "faces"));
  let hasAlpha = false;
  for await (const part of embedData(data, { embedder, loader, tally, signal, store })) {
    const left = new Set(part.left);
    part.samples.forEach(({ id, person }, row) => {
      if (left.has(row)) return;
      embeddings.set(part.data.subarray(row * width, (row + 1) * width), ids.length * width);
      if (part.alpha !== undefined) alpha.set(part.alpha.subarray(row, row + 1), ids.length);
      ids.push(id);
      people.push(data.people[person]);
    });
    hasAlpha ||= part.alpha !== undefined;
    kept += part.kept;
    progress.update(part.start + part.count);
  }
  const leftOut = tally.report();
  if (ids.length === 0)
    throw new PetalfaceError("PETAL_DATA_DAMAGED", `${data.spec}: no face has an embedding; ${leftOut.first[0]}`);
  noteMoreLeftOut(data, leftOut, surroundings);
  const count = ids.length;
  return {
    embeddings: embeddings.subarray(0, count * width),
    ...{ count, width, ids, people, leftOut, kept },
    ...(hasAlpha && { alpha: alpha.subarray(0, count) }),
  };
}
