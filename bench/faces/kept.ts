import { mkdir, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Backbone } from "petalface/backbones";
import type { FaceData } from "petalface/data";
import type { FaceRows, KeptGallery } from "petalface/evaluation";
import { normaliseRows, rowsOf } from "petalface/matching";
import { createTargetCache, type TargetCache } from "petalface/training";
import { openFaceRows } from "../skeleton/faces.ts";
import { readFloats } from "../skeleton/floats.ts";

/**
 * What the frozen network makes of faces, kept on disk for all contenders of a model: so each face
 * is embedded once, whatever is trained.
 */

/** Written as a whole, since several trainings may run at a time. */
async function writeBytes(file: string, data: Uint8Array | Float32Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const part = `${file}.${process.pid}.part`;
  await writeFile(part, data);
  await rename(part, file);
}

const short = (hash: string): string => hash.slice(0, 16);

/** A gallery that was enrolled by the frozen network. */
export interface FrozenGallery extends KeptGallery {
  /** Whether the frozen network's embeddings are still to be computed. */
  readonly isEmpty: boolean;
  /** Keeps for the next process what `keep` was given first. */
  save(): Promise<void>;
}

/** Opens the frozen network's embeddings of the faces of a protocol. */
export async function openGallery(
  folder: string,
  { spec, width }: Backbone,
  { fingerprint }: { readonly fingerprint: string },
): Promise<FrozenGallery> {
  const file = join(folder, `gallery-${short(spec.sha256)}-${short(fingerprint)}.f32`);
  const known = await readFloats(file).catch(() => undefined);
  let rows: FaceRows | undefined = known && rowsOf(known, width);
  return {
    isEmpty: rows === undefined,
    keep(given) {
      rows ??= given;
      return rows;
    },
    async save() {
      if (known === undefined && rows !== undefined) await writeBytes(file, await rows.read(0, rows.count));
    },
  };
}

/** Targets of distillation that earlier trainings of a model computed, and what keeps new ones. */
export interface KeptTargets {
  readonly cache: TargetCache;
  save(): Promise<void>;
}

/** How many targets are known. */
export const countKnown = ({ known }: TargetCache): number => known.reduce((total, value) => total + value, 0);

/** Computes the targets that are not known yet, of all faces of a set and their mirror images. */
export async function fillTargets(
  { known, rows }: TargetCache,
  backbone: Backbone,
  data: FaceData,
  threads: number,
): Promise<void> {
  const missing = [...known.keys()].filter((at) => known[at] === 0);
  if (missing.length === 0) return;
  const { width } = backbone;
  await using faces = await openFaceRows(backbone, threads);
  const found = await faces.embed(
    missing.map((place) => ({ source: data.at(place >> 1).source, flip: place % 2 === 1 })),
  );
  const units = normaliseRows(found.rows, width, "face");
  missing.forEach((place, row) => {
    rows.set(units.subarray(row * width, (row + 1) * width), place * width);
    known[place] = 1;
  });
}

/** Opens the targets of a training set. */
export async function openTargetFile(folder: string, { spec, width }: Backbone, data: FaceData): Promise<KeptTargets> {
  const file = join(folder, `targets-${short(spec.sha256)}-${short(data.fingerprint)}.f32`);
  const cache = createTargetCache(data.length, width);
  const rows = await readFloats(file).catch(() => undefined);
  if (rows !== undefined && rows.length === cache.rows.length) {
    cache.rows.set(rows);
    // A row that was computed has length 1; one that is not finite is computed again.
    for (let at = 0; at < cache.known.length; at++)
      if (rows.subarray(at * width, (at + 1) * width).some((value) => value !== 0 && Number.isFinite(value)))
        cache.known[at] = 1;
  }
  const before = countKnown(cache);
  return {
    cache,
    async save() {
      if (countKnown(cache) > before) await writeBytes(file, cache.rows);
    },
  };
}
