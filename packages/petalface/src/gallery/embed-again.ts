import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { type ImageRequest, type ImageSource, type Loader, printPath } from "../images/index.ts";
import { alphaOf, type Calibration } from "../quality/index.ts";
import { makeTemporary } from "../temporary.ts";
import { type Describer, describeFaces } from "./describe.ts";
import { type EmbeddingRecord, isSameModel } from "./record.ts";
import type { GalleryStore } from "./store.ts";
import type { FaceEmbedding, MigratingFace, Migration } from "./types.ts";

/** What embedding the faces of a gallery again takes. */
export interface EmbedAgainOptions {
  readonly store: GalleryStore;
  /** The new model. */
  readonly record: EmbeddingRecord;
  readonly describer: Describer;
  /** At the new model's size. */
  readonly loader: Pick<Loader, "load">;
  /** Pictures by the hex digits of their hash, beyond those that the gallery keeps. */
  readonly pictures?: ReadonlyMap<string, ImageSource> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Faces that are read at once. */
export const window = 128;

/** Some faces of a gallery on its way to another model, by their ids. */
interface Range {
  readonly migration: Migration;
  /** How the faces were embedded until now. */
  readonly old: EmbeddingRecord;
  /** First and last id. */
  readonly first: number;
  readonly last: number;
  /** For pictures, while they are read. */
  readonly folder: string;
}

/**
 * Embeds the faces of a range that the new model has not embedded yet; `lost` are those without a
 * picture.
 */
export async function* embedRange(
  { migration, old, first, last, folder }: Range,
  options: EmbedAgainOptions,
): AsyncGenerator<{ readonly done: readonly Embedded[]; readonly lost: readonly number[] }> {
  for (let after = first - 1; ; ) {
    options.signal?.throwIfAborted();
    const faces = (await migration.missing(after, window)).filter(({ id }) => id <= last);
    const end = faces.at(-1);
    if (end === undefined) return;
    after = end.id;
    const done = await embedAgain(faces, old, options, folder);
    await migration.put(done.map(({ id, embedding }) => ({ id, embedding })));
    const ids = new Set(done.map(({ id }) => id));
    yield { done, lost: faces.map(({ id }) => id).filter((id) => !ids.has(id)) };
  }
}

/**
 * Does a part of a move to another model, so that many workers can share one. Whoever sees that no
 * face is missing any more changes to the new model; faces that were enrolled after the parts were
 * made are embedded before.
 *
 * @param range ids of the first and the last face of this part
 * @param lastOfAll id of the last face of all parts
 * @returns how many faces were embedded here
 * @throws PetalfaceError that counts the faces without a picture
 */
export async function migratePart(
  options: EmbedAgainOptions,
  range: { readonly first: number; readonly last: number },
  lastOfAll: number,
): Promise<number> {
  const { store, record } = options;
  const old = await store.record();
  // Another worker has changed to it already.
  if (isSameModel(old, record)) return 0;
  const migration = await store.migrate(record);
  const temporary = await makeTemporary();
  let count = 0;
  const embed = async (first: number, last: number): Promise<void> => {
    const lost: number[] = [];
    for await (const part of embedRange({ migration, old, first, last, folder: temporary.path }, options)) {
      count += part.done.length;
      lost.push(...part.lost);
    }
    if (lost.length > 0)
      throw new PetalfaceError(
        "PETAL_DATA_MISSING",
        `${printPath(store.path)}: ${lost.length} of the faces ${first} to ${last} have no picture to embed again; submit the job with their pictures, or remove these people`,
      );
  };
  try {
    await embed(range.first, range.last);
    for (;;) {
      const [next] = await migration.missing(0, 1);
      // Others are still at work on their parts.
      if (next !== undefined && next.id <= lastOfAll) return count;
      if (next !== undefined) await embed(next.id, Number.POSITIVE_INFINITY);
      else if (await migration.finish()) return count;
    }
  } finally {
    temporary.remove();
  }
}

interface Embedded {
  readonly id: number;
  readonly embedding: FaceEmbedding;
  readonly kept: boolean;
  readonly withoutCopies: boolean;
}

/** What the new model makes of some faces; those without a picture that need one are left out. */
async function embedAgain(
  faces: readonly MigratingFace[],
  old: EmbeddingRecord,
  options: EmbedAgainOptions,
  folder: string,
): Promise<Embedded[]> {
  const { store, record, describer, loader, pictures, signal } = options;
  const sameSpace = old.space.id === record.space.id;
  /** Whether the embedding is the frozen model's, which the new one gives too where alpha is 1. */
  const isFrozen = (embedding: FaceEmbedding): boolean => sameSpace && (old.adapter === null || embedding.alpha === 1);
  const seen: { readonly face: MigratingFace; readonly request: ImageRequest }[] = [];
  const out: Embedded[] = [];
  for (const face of faces) {
    let source = pictures?.get(Buffer.from(face.source).toString("hex"));
    if (face.crop !== null) {
      const path = join(folder, `${seen.length}`);
      await writeFile(path, face.crop);
      source = { kind: "file", path };
    }
    if (source !== undefined) {
      seen.push({ face, request: { source, flip: false, quality: face.old.score ?? undefined } });
      continue;
    }
    const alpha = alphaAgain(face.old, old.calibration, record.calibration);
    if (alpha !== 1 || !isFrozen(face.old)) continue;
    const copies = new Float32Array(face.old.copies.length);
    const withoutCopies = face.old.copies.some((value) => value !== 0);
    out.push({ id: face.id, embedding: { ...face.old, alpha, copies }, kept: true, withoutCopies });
  }
  const parts = describeFaces(
    seen.map(({ request }) => request),
    {
      describer,
      loader,
      copies: store.settings.copies,
      signal,
      onLeft: (_, reason) => {
        throw new PetalfaceError("PETAL_DATA_DAMAGED", `cannot embed a face again: ${reason}`);
      },
    },
  );
  for await (const { start, faces: described } of parts)
    described.forEach((description, at) => {
      if (description === undefined) return;
      const { face } = itemAt(seen, start + at);
      const { copies, alpha, score } = description;
      const kept = alpha === 1 && isFrozen(face.old);
      const vector = kept ? face.old.vector : description.vector;
      out.push({ id: face.id, embedding: { vector, copies, alpha, score }, kept, withoutCopies: false });
    });
  return out;
}

/**
 * Alpha of a face under another calibration, from its score; undefined where the score is another
 * measure's.
 */
function alphaAgain(
  { alpha, score }: FaceEmbedding,
  old: Calibration | null,
  next: Calibration | null,
): number | undefined {
  if (JSON.stringify(old) === JSON.stringify(next)) return alpha;
  if (next === null || next.kind === "given" || next.measure !== old?.measure || next.weights !== old.weights)
    return undefined;
  return score === null ? undefined : alphaOf(next, score);
}
