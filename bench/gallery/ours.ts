import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  createGallery,
  type EmbeddingRecord,
  openExactSearcher,
  openGallery,
  openIndexedSearcher,
  type PersonSearcher,
  type TemplateRule,
} from "petalface/gallery";
import { kept } from "../skeleton/kept.ts";
import { usage } from "../skeleton/measured.ts";
import { median, sum } from "../skeleton/statistics.ts";
import { facesEach, openDrawer, probeKinds, width } from "./data.ts";
import { type Searched, searchEach } from "./searches.ts";

/** A gallery of petalface, filled with the embeddings of a folder. */
export interface OursJob {
  readonly kind: "fill" | "search" | "index" | "search the index";
  readonly folder: string;
  readonly count: number;
  readonly probes: number;
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

/** Who a searcher finds nearest to one face; -1: no person. */
export const nearestBy =
  (searcher: PersonSearcher) =>
  async (row: Float32Array): Promise<number> => {
    const [candidates = []] = await searcher.search({ rows: row, alpha: [1] }, 5);
    return candidates[0]?.person ?? -1;
  };

/** A line now and then on how far long work is. */
function reporter(what: string, total: number, from = 0): (done: number) => void {
  let [last, before] = [performance.now(), from];
  return (done) => {
    const now = performance.now();
    if (now - last < 30_000) return;
    const rate = (1000 * (done - before)) / (now - last);
    const left = (total - done) / rate / 60;
    console.error(`${what} ${done} of ${total}, ${rate.toFixed(0)} a second now, ${left.toFixed(0)} minutes left`);
    [last, before] = [now, done];
  };
}

/**
 * Enrols all faces, 128 in a transaction that reaches the disk. Returns faces a second, without the
 * time that it takes to draw them.
 */
export async function fill({ folder, count }: OursJob): Promise<number> {
  const path = `${folder}/gallery.db`;
  if (!(await readdir(folder)).includes("gallery.db"))
    await createGallery(path, record, { copies: [], keepCrops: false, thresholds: null });
  await using store = await openGallery(path);
  // In a folder that is kept, an interrupted run continues.
  const there = await store.count();
  const [drawer, report] = [openDrawer(), reporter("enrolled", count, there)];
  let milliseconds = 0;
  for (let start = there; start < count; start += atOnce) {
    const faces = facesOf(drawer.faces(start, Math.min(atOnce, count - start)), start);
    const begin = performance.now();
    await store.addAll(
      Array.from({ length: Math.ceil(faces.length / facesEach) }, (_, person) => ({
        person: `person ${start / facesEach + person}`,
        faces: faces.slice(person * facesEach, (person + 1) * facesEach),
      })),
    );
    milliseconds += performance.now() - begin;
    report(start + faces.length);
  }
  return (count - there) / (milliseconds / 1000);
}

/** What the index of the filled gallery took. */
export interface Built {
  readonly seconds: number;
  /** Most bytes of memory. */
  readonly memory: number;
  /** Bytes of its files, and of the gallery. */
  readonly bytes: number;
  readonly gallery: number;
}

/**
 * Builds the index of the filled gallery. In a folder that is kept, that of an earlier run stays.
 */
export const index = (job: OursJob): Promise<Built> =>
  kept(join(job.folder, `index-of-${job.count}.json`), () => buildIndex(job));

async function buildIndex({ folder, count }: OursJob): Promise<Built> {
  await using store = await openGallery(`${folder}/gallery.db`);
  const begin = performance.now();
  await store.buildIndex({ onProgress: reporter("indexed", count) });
  const seconds = (performance.now() - begin) / 1000;
  const sizeOf = async (start: string): Promise<number> => {
    const names = (await readdir(folder)).filter((name) => name.startsWith(start));
    return sum(await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size)));
  };
  const bytes = await sizeOf("gallery.db.index-");
  const { peak: memory } = usage();
  return { seconds, memory, bytes, gallery: (await sizeOf("gallery.db")) - bytes };
}

/** Searches for probes, of all kinds by the index: milliseconds and people, a list a kind. */
export interface AllSearched {
  readonly opened: number;
  readonly times: readonly number[][];
  readonly nearest: readonly number[][];
}

/** Opens the gallery for search, and searches for one face after the other. */
export async function search({ kind, folder, count, probes, threads, rule }: OursJob): Promise<AllSearched> {
  const begin = performance.now();
  await using store = await openGallery(`${folder}/gallery.db`);
  await using searcher =
    kind === "search the index"
      ? await openIndexedSearcher(store, rule)
      : await openExactSearcher(store, rule, { threads });
  const opened = (performance.now() - begin) / 1000;
  const drawer = openDrawer();
  const all: { times: number[]; nearest: number[] }[] = [];
  for (const each of kind === "search" ? probeKinds.slice(0, 1) : probeKinds)
    all.push(await searchEach(drawer.probes(each, count, probes).rows, nearestBy(searcher)));
  // People are counted from 1.
  const nearest = all.map((one) => one.nearest.map((person) => person - 1));
  return { opened, times: all.map(({ times }) => times), nearest };
}

/** The searches of the first kind of probes, as the other contenders do them. */
export const firstKind = ({ opened, times, nearest }: AllSearched): Searched => ({
  opened,
  milliseconds: median(times[0]),
  found: nearest[0],
});
