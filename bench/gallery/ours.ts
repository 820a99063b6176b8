import { open, rm } from "node:fs/promises";
import {
  createGallery,
  type EmbeddingRecord,
  openExactSearcher,
  openGallery,
  openIndexedSearcher,
  type PersonSearcher,
  type TemplateRule,
} from "petalface/gallery";
import { readFloats } from "../skeleton/floats.ts";
import { median } from "../skeleton/statistics.ts";
import { facesEach, width } from "./data.ts";
import type { Contender } from "./table.ts";

/** A gallery of petalface, filled with the embeddings of a folder. */
export interface OursJob {
  readonly kind: "fill" | "search" | "index" | "search the index";
  readonly folder: string;
  readonly count: number;
  readonly threads: number;
  readonly rule: TemplateRule;
}

/** A gallery of a made-up model. */
export const record: EmbeddingRecord = {
  space: {
    id: "made up",
    model: "made up",
    sha256: "",
    preprocessing: { mean: [0, 0, 0], scale: [1, 1, 1], channels: "rgb" },
    size: 112,
    output: "embedding",
    width,
    template: "arcface",
    adapter: null,
  },
  adapter: null,
  calibration: null,
  source: { model: "made up", adapter: null, choices: {} },
};

/** Faces that are enrolled as one change, as `gallery add` does. */
const atOnce = 128;

const none = new Float32Array(width);

/** Embeddings as faces to enrol; `first` is the number of the first one. */
export const facesOf = (rows: Float32Array, first: number) =>
  Array.from({ length: rows.length / width }, (_, face) => {
    const source = new Uint8Array(16);
    new DataView(source.buffer).setInt32(0, first + face);
    const vector = rows.subarray(face * width, (face + 1) * width);
    return { vector, copies: none, alpha: 1, score: null, source, picture: new Uint8Array(32) };
  });

/** Searches for one face after the other: milliseconds of all but the first, and who is nearest. */
export async function searchEach(
  searcher: PersonSearcher,
  probes: Float32Array,
): Promise<{ readonly times: number[]; readonly nearest: number[] }> {
  const times: number[] = [];
  const nearest: number[] = [];
  for (let probe = 0; probe < probes.length / width; probe++) {
    const started = performance.now();
    const rows = probes.subarray(probe * width, (probe + 1) * width);
    const [candidates = []] = await searcher.search({ rows, alpha: [1] }, 5);
    // The first one fills caches and starts the threads.
    if (probe > 0) times.push(performance.now() - started);
    nearest.push(candidates[0]?.person ?? -1);
  }
  return { times, nearest };
}

/** Enrols all faces, 128 in a transaction that reaches the disk. Returns faces a second. */
export async function fill({ folder, count }: OursJob): Promise<number> {
  const path = `${folder}/gallery.db`;
  for (const ending of ["", "-wal", "-shm"]) await rm(path + ending, { force: true });
  await createGallery(path, record, { copies: [], keepCrops: false, thresholds: null });
  await using store = await openGallery(path);
  const file = await open(`${folder}/faces.f32`);
  const begin = performance.now();
  for (let start = 0; start < count; start += atOnce) {
    const rows = new Float32Array(Math.min(atOnce, count - start) * width);
    await file.read(new Uint8Array(rows.buffer));
    const faces = facesOf(rows, start);
    await store.addAll(
      Array.from({ length: Math.ceil(faces.length / facesEach) }, (_, person) => ({
        person: `person ${start / facesEach + person}`,
        faces: faces.slice(person * facesEach, (person + 1) * facesEach),
      })),
    );
  }
  const rate = count / ((performance.now() - begin) / 1000);
  await file.close();
  return rate;
}

/** Builds the index of the filled gallery. Returns faces a second. */
export async function index({ folder, count, threads }: OursJob): Promise<number> {
  await using store = await openGallery(`${folder}/gallery.db`);
  const begin = performance.now();
  await store.buildIndex({ threads });
  return count / ((performance.now() - begin) / 1000);
}

/** Opens the gallery for search, and searches for one face after the other. */
export async function search({ kind, folder, threads, rule }: OursJob): Promise<Omit<Contender, "name" | "memory">> {
  const begin = performance.now();
  await using store = await openGallery(`${folder}/gallery.db`);
  await using searcher =
    kind === "search the index"
      ? await openIndexedSearcher(store, rule)
      : await openExactSearcher(store, rule, { threads });
  const opened = (performance.now() - begin) / 1000;
  const probes = await readFloats(`${folder}/probes.f32`);
  const { times, nearest } = await searchEach(searcher, probes);
  // People are counted from 1.
  const found = nearest.map((person) => person - 1);
  return { opened, milliseconds: median(times), found };
}
