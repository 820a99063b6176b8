import {
  createGallery,
  openExactSearcher,
  openGallery,
  openIndexedSearcher,
  type PersonSearcher,
} from "petalface/gallery";
import pg from "pg";
import { facesEach, openDrawer, probeKinds, width } from "../gallery/data.ts";
import { facesOf, nearestBy, record } from "../gallery/ours.ts";
import { searchEach } from "../gallery/searches.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { table, whole } from "../skeleton/page.ts";
import { median } from "../skeleton/statistics.ts";
import { UsageError } from "../skeleton/usage-error.ts";

const gallery = "shard";
/** Faces of the gallery that the last table is about. */
const all = 1e8;
const servers = [4, 8, 16];

/** Seconds of some work, and what it gave. */
async function timed<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
  const begin = performance.now();
  return [await work(), (performance.now() - begin) / 1000];
}

/**
 * Enrols people with {@link facesEach} faces. Returns photos of some of them that are not enrolled.
 */
async function fill(address: string, faces: number, probes: number): Promise<Float32Array> {
  await createGallery(address, record, { copies: [], keepCrops: false, thresholds: null });
  await using store = await openGallery(address);
  const drawer = openDrawer();
  const people = Math.floor(faces / facesEach);
  for (let at = 0; at < people; at++)
    await store.add(`person ${at}`, facesOf(drawer.faces(at * facesEach, facesEach), at * facesEach));
  return drawer.probes(probeKinds[0], people * facesEach, probes).rows;
}

/** Bytes of a gallery's tables and of its index, as the server counts them. */
async function sizes(address: string): Promise<{ readonly tables: number; readonly index: number }> {
  const client = new pg.Client({ connectionString: address.split("?")[0] });
  await client.connect();
  try {
    const { rows } = await client.query<{ readonly name: string; readonly bytes: string }>(
      `SELECT indexrelname AS name, pg_relation_size(indexrelid) AS bytes FROM pg_stat_user_indexes WHERE schemaname = $1
       UNION ALL SELECT '' AS name, sum(pg_table_size(relid)) FROM pg_stat_user_tables WHERE schemaname = $1`,
      [gallery],
    );
    const sum = (keep: (name: string) => boolean): number =>
      rows.filter(({ name }) => keep(name)).reduce((bytes, row) => bytes + Number(row.bytes), 0);
    return { tables: sum((name) => !name.startsWith("nearest_")), index: sum((name) => name.startsWith("nearest_")) };
  } finally {
    await client.end();
  }
}

/** Milliseconds of searches for one face after the other, and who was nearest. */
async function searches(searcher: PersonSearcher, rows: Float32Array) {
  const { times, nearest } = await searchEach(rows, nearestBy(searcher));
  const sorted = times.toSorted((a, b) => a - b);
  return { middle: median(times), slow: sorted[Math.floor(0.99 * sorted.length)] ?? Number.NaN, nearest };
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(0)} GB`;

export default defineBenchmark({
  name: "shard",
  title: "One part of a gallery of 100 million faces",
  measures: "Bytes of a face in PostgreSQL, its index, and searches in one part of a large gallery.",
  minutes: 6,
  needs: "the address of an empty database of PostgreSQL with pgvector in PETALFACE_BENCH_GALLERY",
  options: {
    faces: { help: "faces of the part", default: 100_000 },
    probes: { help: "searches", default: 100 },
    threads: { help: "threads of exact search", default: 2 },
    price: { help: "dollars a month for a gibibyte of memory", default: 7.45 },
  },
  async run({ faces, probes, threads, price }) {
    const database = process.env.PETALFACE_BENCH_GALLERY;
    if (database === undefined) throw new UsageError("PETALFACE_BENCH_GALLERY names no database");
    const address = `${database}?gallery=${gallery}`;
    const [rows, filled] = await timed(() => fill(address, faces, probes));
    await using store = await openGallery(address);
    const [, built] = await timed(async () => store.buildIndex?.());
    const bytes = await sizes(address);
    const count = await store.count();
    await using indexed = await openIndexedSearcher(store, "best");
    const byIndex = await searches(indexed, rows);
    const before = process.memoryUsage().rss;
    const [exact, loaded] = await timed(() => openExactSearcher(store, "best", { threads }));
    const memory = process.memoryUsage().rss - before;
    const byAll = await searches(exact, rows);
    await exact[Symbol.asyncDispose]();
    const same = byIndex.nearest.filter((person, at) => person === byAll.nearest[at]).length;
    const ms = (value: number): string => `${value.toFixed(1)} ms`;
    const each = (total: number): string => `${whole(total / count)} bytes`;
    /** Levels of the graph grow with the logarithm. */
    const deeper = (part: number): number => byIndex.middle * (Math.log(part) / Math.log(count));
    return {
      body: `${whole(count)} made-up embeddings of ${width} numbers, ${facesEach} of each person
(bench/gallery/data.ts), without low-resolution copies. ${probes} searches, one face after the other.

${table(
  ["", "measured", "for each face"],
  [
    ["enrolled in", `${filled.toFixed(0)} s`, `${whole(count / filled)} faces a second`],
    ["tables", `${(bytes.tables / 1e6).toFixed(0)} MB`, each(bytes.tables)],
    ["index (HNSW, half precision)", `${(bytes.index / 1e6).toFixed(0)} MB`, each(bytes.index)],
    ["index built in", `${built.toFixed(0)} s`, `${whole(count / built)} faces a second`],
    ["memory of exact search in 8 bits", `${(memory / 1e6).toFixed(0)} MB`, each(memory)],
    ["loaded for exact search in", `${loaded.toFixed(1)} s`, `${whole(count / loaded)} faces a second`],
  ],
)}

${table(
  ["a search", "median", "99 % within", "nearest person as in exact search"],
  [
    ["by the index", ms(byIndex.middle), ms(byIndex.slow), `${same} of ${probes}`],
    [`exact, ${threads} threads`, ms(byAll.middle), ms(byAll.slow), "all"],
  ],
)}

## 100 million faces (modelled from the above, not measured)

Bytes and times of exact search grow with the faces of a server. Searches by the index grow with the logarithm of
their number, as long as the index is in memory; that is the assumption which a real gallery must confirm. A month of
a gibibyte of memory counts ${price} dollars (docs/hundred-million.md says where that is from).

${table(
  [
    ...["servers", "faces of each", "tables on each disk", "index in each memory", "search by index"],
    ...["exact search in each", "index's memory, all, a month"],
  ],
  servers.map((parts) => {
    const part = all / parts;
    return [
      ...[String(parts), whole(part), gigabytes((bytes.tables / count) * part)],
      ...[gigabytes((bytes.index / count) * part), ms(deeper(part))],
      `${((byAll.middle * part) / count / 1000).toFixed(1)} s`,
      `${whole(((bytes.index / count) * all * price) / 2 ** 30)} dollars`,
    ];
  }),
)}
`,
    };
  },
});
