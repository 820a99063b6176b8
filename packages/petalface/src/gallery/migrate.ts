import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { printPath } from "../images/index.ts";
import { identify, normaliseRows, openMatcher, rowsOf, takeRows } from "../matching/index.ts";
import type { SessionOptions } from "../runtime/index.ts";
import { makeTemporary } from "../temporary.ts";
import { type EmbedAgainOptions, embedRange, window } from "./embed-again.ts";
import { applyMap, type FacesOfBoth, fewestFaces, type LinearMap, type MapLoss, measuredMap } from "./linear-map.ts";
import type { EnrolledVectors, Migration } from "./types.ts";

/** What a move to another model takes. */
export interface MigrateOptions extends EmbedAgainOptions {
  readonly session: SessionOptions;
  /**
   * Whether faces without a picture get their new embedding by a linear map from the old one,
   * fitted on the faces that have a picture. Without it they stop the move.
   */
  readonly mapMissing?: boolean | undefined;
  /** Leaves the old model in use when all is embedded; a second move changes to the new one. */
  readonly prepare?: boolean | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What a move to another model did. */
export interface MigrationReport {
  readonly faces: number;
  /** Whether the new model is in use now. */
  readonly switched: boolean;
  /** Faces whose embedding kept its bits. */
  readonly kept: number;
  readonly changed: number;
  /**
   * Faces that kept their embedding and lost their copies, because there is no picture to make them
   * of.
   */
  readonly withoutCopies: number;
  /** Faces without a picture whose embedding is mapped from the old one, and what that loses. */
  readonly mapped: number;
  readonly mapLoss: MapLoss | null;
  /** Faces that an earlier, interrupted move did. */
  readonly earlier: number;
  /** How the old and the new model find the faces of the gallery itself. */
  readonly sharp: PairedRanks | null;
  readonly copies: PairedRanks | null;
}

/** Rank-1 of the same searches before and after. */
export interface PairedRanks {
  readonly searches: number;
  readonly before: number;
  readonly after: number;
  /** Searches that only the new model answers rightly, and those that only the old one does. */
  readonly gained: number;
  readonly lost: number;
}

/**
 * Embeds a gallery by another model and changes to it at the end, at once. Within the space
 * (another adapter that keeps sharp faces) a face of alpha 1 keeps its bits; all others need their
 * picture. Can be interrupted at any moment and started again.
 *
 * @throws PetalfaceError that counts the faces without a picture; what was done stays, and the old
 * model is still searched
 */
export async function migrateGallery(options: MigrateOptions): Promise<MigrationReport> {
  const { store, record, signal, onProgress } = options;
  const old = await store.record();
  const migration = await store.migrate(record);
  const before = await store.vectors();
  const total = before.faces.length;
  const earlier = total - (await migration.count());
  const found = { kept: 0, changed: 0, withoutCopies: 0, mapped: 0 };
  let mapLoss: MapLoss | null = null;
  const temporary = await makeTemporary();
  try {
    // Again where faces were enrolled meanwhile.
    for (;;) {
      signal?.throwIfAborted();
      const lost: number[] = [];
      const everything = { migration, old, first: 0, last: Number.POSITIVE_INFINITY, folder: temporary.path };
      for await (const part of embedRange(everything, options)) {
        for (const { kept, withoutCopies } of part.done) {
          found[kept ? "kept" : "changed"]++;
          if (withoutCopies) found.withoutCopies++;
        }
        lost.push(...part.lost);
        onProgress?.(earlier + found.kept + found.changed, total);
      }
      if (lost.length > 0) {
        const both = await embeddedByBoth(await store.vectors(), await migration.vectors(), new Set(lost));
        if (options.mapMissing !== true) throw noPictures(store.path, lost.length, both);
        const { map, loss } = measuredMap(both);
        mapLoss = loss;
        found.mapped += await mapFaces(migration, lost, map);
        onProgress?.(earlier + found.kept + found.changed + found.mapped, total);
      }
      const after = await migration.vectors();
      const [sharp, copies] = [
        await pairedRanks(before, after, "vectors", options),
        await pairedRanks(before, after, "copies", options),
      ];
      const switched = options.prepare !== true && (await migration.finish());
      if (switched || (options.prepare === true && (await migration.count()) === 0))
        return { faces: after.faces.length, switched, ...found, mapLoss, earlier, sharp, copies };
    }
  } finally {
    temporary.remove();
  }
}

function noPictures(path: string, count: number, both: FacesOfBoth): PetalfaceError {
  const faces = both.next.length / both.nextWidth;
  const { cosine, rank1 } = faces < fewestFaces ? { cosine: null, rank1: 0 } : measuredMap(both).loss;
  const offer =
    cosine === null
      ? ""
      : `, or map their embeddings with 'mapMissing' (mean cosine ${cosine.toFixed(3)}, own face nearest ${(100 * rank1).toFixed(1)} %, on ${faces} faces with pictures)`;
  return new PetalfaceError(
    "PETAL_DATA_MISSING",
    `${printPath(path)}: ${count} ${count === 1 ? "face has" : "faces have"} no picture to embed again; give the enrolled pictures with 'data', or remove these people${offer}; the old model is still in use, and what was done is kept`,
  );
}

/** Faces that the old and the new model have embedded from pictures. */
async function embeddedByBoth(
  old: EnrolledVectors,
  next: EnrolledVectors,
  lost: ReadonlySet<number>,
): Promise<FacesOfBoth> {
  const rowOf = new Map([...old.faces].map((face, row) => [face, row]));
  const pairs = [...next.faces].flatMap((face, row) => {
    const before = rowOf.get(face);
    return before === undefined || lost.has(face) ? [] : [[before, row] as const];
  });
  const take = ({ vectors, width }: EnrolledVectors, side: 0 | 1): Float32Array =>
    takeRows(
      vectors,
      width,
      pairs.map((pair) => pair[side]),
    );
  return { old: take(old, 0), oldWidth: old.width, next: take(next, 1), nextWidth: next.width };
}

/**
 * Gives faces the embeddings that a map makes of their old ones. Copies are sums, so they map
 * alike.
 */
async function mapFaces(migration: Migration, lost: readonly number[], map: LinearMap): Promise<number> {
  const wanted = new Set(lost);
  let count = 0;
  for (let after = 0; ; ) {
    const faces = (await migration.missing(after, window)).filter(({ id }) => wanted.has(id));
    const last = faces.at(-1);
    if (last === undefined) return count;
    after = last.id;
    await migration.put(
      faces.map(({ id, old }) => {
        const unit = normaliseRows(old.vector, old.vector.length);
        const embedding = {
          vector: applyMap(map, unit),
          copies: applyMap(map, old.copies),
          alpha: old.alpha,
          score: null,
        };
        return { id, embedding };
      }),
    );
    count += faces.length;
  }
}

/** Faces that are searched for. */
const most = 2048;

/**
 * Searches for enrolled faces among all others of the gallery, before and after: for the faces as
 * they are, or for their low-resolution copies. Null where no person has two faces, or there are no
 * copies.
 */
async function pairedRanks(
  before: EnrolledVectors,
  after: EnrolledVectors,
  probes: "vectors" | "copies",
  { session, signal }: MigrateOptions,
): Promise<PairedRanks | null> {
  const [one, other] = [await ranksOf(before, probes, session, signal), await ranksOf(after, probes, session, signal)];
  const both = [...one].flatMap(([face, rank]): [boolean, boolean][] => {
    const now = other.get(face);
    return now === undefined ? [] : [[rank === 1, now === 1]];
  });
  if (both.length === 0) return null;
  const count = (wanted: (was: boolean, is: boolean) => boolean): number =>
    both.filter(([was, is]) => wanted(was, is)).length;
  return {
    searches: both.length,
    before: count((was) => was),
    after: count((_, is) => is),
    gained: count((was, is) => is && !was),
    lost: count((was, is) => was && !is),
  };
}

async function ranksOf(
  gallery: EnrolledVectors,
  what: "vectors" | "copies",
  session: SessionOptions,
  signal?: AbortSignal,
): Promise<Map<number, number>> {
  const { width, faces, people } = gallery;
  const counts = new Map<number, number>();
  for (const person of people) counts.set(person, (counts.get(person) ?? 0) + 1);
  const usable = [...faces.keys()].filter(
    (at) =>
      (counts.get(itemAt(people, at)) ?? 0) > 1 &&
      gallery[what].subarray(at * width, (at + 1) * width).some((value) => value !== 0),
  );
  const step = Math.max(1, usable.length / most);
  const chosen = Array.from({ length: Math.min(most, usable.length) }, (_, at) =>
    itemAt(usable, Math.floor(at * step)),
  );
  if (chosen.length === 0) return new Map();
  const rows = new Float32Array(chosen.length * width);
  chosen.forEach((at, row) => {
    rows.set(gallery[what].subarray(at * width, (at + 1) * width), row * width);
  });
  const matcher = await openMatcher(width, session);
  try {
    const { rank } = await identify(
      matcher,
      {
        probes: normaliseRows(rows, width),
        probeLabels: Int32Array.from(chosen, (at) => itemAt(people, at)),
        gallery: rowsOf(normaliseRows(gallery.vectors, width), width),
        galleryLabels: people,
        skip: Int32Array.from(chosen),
      },
      { signal },
    );
    return new Map(chosen.map((at, row) => [itemAt(faces, at), itemAt(rank, row)]));
  } finally {
    await matcher.close();
  }
}
