import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import { printPath } from "../images/index.ts";
import { normaliseRows, takeRows } from "../matching/index.ts";
import { random } from "../random.ts";
import type { SessionOptions } from "../runtime/index.ts";
import { makeTemporary } from "../temporary.ts";
import { type EmbedAgainOptions, embedRange, window } from "./embed-again.ts";
import {
  applyMap,
  type FacesOfBoth,
  fewestFaces,
  type LinearMap,
  type MapLoss,
  measuredMap,
  mostFaces,
} from "./linear-map.ts";
import { drawSome, type PairedRanks, pairedRanks } from "./paired.ts";
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
  const total = await store.count();
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
        const both = await embeddedByBoth(migration, options);
        if (options.mapMissing !== true) throw noPictures(store.path, lost.length, both);
        const { map, loss } = measuredMap(both);
        mapLoss = loss;
        found.mapped += await mapFaces(migration, lost, map);
        onProgress?.(earlier + found.kept + found.changed + found.mapped, total);
      }
      const owners = await migration.owners();
      const faces = owners.faces.length;
      const ranks = await pairedRanks({ before: store, after: migration, owners, session: options.session, signal });
      const switched = options.prepare !== true && (await migration.finish());
      if (switched || (options.prepare === true && (await migration.count()) === 0))
        return { faces, switched, ...found, mapLoss, earlier, ...ranks };
    }
  } finally {
    temporary.remove();
  }
}

function noPictures(path: string, count: number, both: DrawnFaces): PetalfaceError {
  const faces = both.next.length / both.nextWidth;
  const { cosine, rank1 } = faces < fewestFaces ? { cosine: null, rank1: 0 } : measuredMap(both).loss;
  const offer =
    cosine === null
      ? ""
      : `, or map their embeddings with 'mapMissing' (mean cosine ${cosine.toFixed(3)}, own face nearest ${(100 * rank1).toFixed(1)} %, on ${faces} of ${both.available} faces with pictures)`;
  return new PetalfaceError(
    "PETAL_DATA_MISSING",
    `${printPath(path)}: ${count} ${count === 1 ? "face has" : "faces have"} no picture to embed again; give the enrolled pictures with 'data', or remove these people${offer}; the old model is still in use, and what was done is kept`,
  );
}

/** Faces that were drawn among all that both models have embedded from pictures. */
interface DrawnFaces extends FacesOfBoth {
  readonly available: number;
}

/** People whose faces are looked at once. */
const peopleAtOnce = 1000;

/**
 * Faces that the old and the new model have embedded from pictures, at most as many as a map is
 * fitted on, drawn by a fixed seed. Those that an earlier run has mapped have no picture either.
 */
async function embeddedByBoth(migration: Migration, { store, pictures }: MigrateOptions): Promise<DrawnFaces> {
  const { faces, people } = await migration.owners();
  const ids = new Int32Array(people).sort().filter((person, at, all) => person !== all[at - 1]);
  const pictured: number[] = [];
  for (let start = 0; start < ids.length; start += peopleAtOnce)
    for (const { id, source, hasCrop } of await store.faces(ids.subarray(start, start + peopleAtOnce)))
      if (hasCrop || pictures?.has(Buffer.from(source).toString("hex")) === true) pictured.push(id);
  const embedded = inBoth(faces, Int32Array.from(pictured).sort());
  const chosen = drawSome(embedded, mostFaces, random("faces of a map"));
  const [old, next] = [await store.read({ faces: chosen }), await migration.read({ faces: chosen })];
  // Somebody may have been removed between the two.
  const there = inBoth(old.faces, next.faces);
  const take = ({ vectors, width, faces: rows }: EnrolledVectors): Float32Array =>
    takeRows(
      vectors,
      width,
      Array.from(there, (face) => rows.indexOf(face)),
    );
  return {
    old: take(old),
    oldWidth: old.width,
    next: take(next),
    nextWidth: next.width,
    available: embedded.length,
  };
}

/** The numbers of two ascending lists that are in both. */
function inBoth(one: Int32Array, other: Int32Array): Int32Array {
  let at = 0;
  return one.filter((value) => {
    while (at < other.length && itemAt(other, at) < value) at++;
    return other[at] === value;
  });
}

/**
 * Gives faces the embeddings that a map makes of their old ones. Copies are sums, so they map
 * alike.
 */
async function mapFaces(migration: Migration, lost: readonly number[], map: LinearMap): Promise<number> {
  let count = 0;
  for (let [after, at] = [0, 0]; ; ) {
    const missing = await migration.missing(after, window);
    const last = missing.at(-1);
    if (last === undefined) return count;
    after = last.id;
    // Both are in the order of ids. Others were enrolled meanwhile, and may have a picture.
    const faces = missing.filter(({ id }) => {
      while (at < lost.length && itemAt(lost, at) < id) at++;
      return lost[at] === id;
    });
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
