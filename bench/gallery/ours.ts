import { open, readFile, rm } from "node:fs/promises";
import {
  createGallery,
  type EmbeddingRecord,
  openExactSearcher,
  openGallery,
  type TemplateRule,
} from "petalface/gallery";
import { median } from "../skeleton/statistics.ts";
import { facesEach, width } from "./data.ts";
import type { Contender } from "./table.ts";

/** A gallery of petalface, filled with the embeddings of a folder. */
export interface OursJob {
  readonly kind: "fill" | "search";
  readonly folder: string;
  readonly count: number;
  readonly threads: number;
  readonly rule: TemplateRule;
}

const record: EmbeddingRecord = {
  space: {
    ...{
      id: "made up",
      model: "made up",
      sha256: "",
      preprocessing: { mean: [0, 0, 0], scale: [1, 1, 1], channels: "rgb" },
    },
    ...{ size: 112, output: "embedding", width, template: "arcface", adapter: null },
  },
  adapter: null,
  calibration: null,
  source: { model: "made up", adapter: null, choices: {} },
};

/** Enrols all faces, each person in a transaction of its own. Returns faces a second. */
export async function fill({ folder, count }: OursJob): Promise<number> {
  const path = `${folder}/gallery.db`;
  for (const ending of ["", "-wal", "-shm"]) await rm(path + ending, { force: true });
  await createGallery(path, record, { copies: [], keepCrops: false, thresholds: null });
  await using store = await openGallery(path);
  const file = await open(`${folder}/faces.f32`);
  const none = new Float32Array(width);
  const begin = performance.now();
  for (let start = 0; start < count; start += facesEach) {
    const rows = new Float32Array(Math.min(facesEach, count - start) * width);
    await file.read(new Uint8Array(rows.buffer));
    await store.add(
      `person ${start / facesEach}`,
      Array.from({ length: rows.length / width }, (_, face) => {
        const source = new Uint8Array(16);
        new DataView(source.buffer).setInt32(0, start + face);
        const vector = rows.subarray(face * width, (face + 1) * width);
        return { vector, copies: none, alpha: 1, score: null, source, picture: new Uint8Array(32) };
      }),
    );
  }
  const rate = count / ((performance.now() - begin) / 1000);
  await file.close();
  return rate;
}

/** Opens the gallery for search, and searches for one face after the other. */
export async function search({ folder, threads, rule }: OursJob): Promise<Omit<Contender, "name" | "memory">> {
  const begin = performance.now();
  await using store = await openGallery(`${folder}/gallery.db`);
  await using searcher = await openExactSearcher(store, rule, { threads });
  const opened = (performance.now() - begin) / 1000;
  const probes = new Float32Array(new Uint8Array(await readFile(`${folder}/probes.f32`)).buffer);
  const times: number[] = [];
  const found: number[] = [];
  for (let probe = 0; probe < probes.length / width; probe++) {
    const started = performance.now();
    const rows = probes.subarray(probe * width, (probe + 1) * width);
    const [candidates = []] = await searcher.search({ rows, alpha: [1] }, 5);
    // The first one starts the threads.
    if (probe > 0) times.push(performance.now() - started);
    found.push((candidates[0]?.person ?? 0) - 1);
  }
  return { opened, milliseconds: median(times), found };
}
