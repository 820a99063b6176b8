import { join } from "node:path";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { inProcess } from "../skeleton/children.ts";
import { addRow, megabytes, table, whole } from "../skeleton/page.ts";
import { median } from "../skeleton/statistics.ts";
import { cosineOf, openDrawer, probeKinds, width, writeEmbeddings } from "./data.ts";
import { type NearestJob, nearestOfAll } from "./nearest.ts";
import { type AllSearched, type Built, fill, firstKind, index, type OursJob, search } from "./ours.ts";
import { type PgvectorJob, withPgvector } from "./pgvector.ts";
import type { Searched } from "./searches.ts";

type Job = OursJob | PgvectorJob | NearestJob;

/** Most faces that exact search takes: its codes are in 4 GiB of memory. */
const mostExact = Math.floor((2 ** 32 - 2 ** 24) / width);

/** How often the index finds who is nearest of all, by kind of probe. */
function recallTable(
  { times, nearest }: AllSearched,
  ofAll: readonly number[][],
  peopleOf: (kind: number) => readonly number[],
): string {
  const probes = ofAll[0]?.length ?? 0;
  const rows = probeKinds.map((kind, at) => {
    const right = peopleOf(at);
    const equal = (one: readonly number[], other: readonly number[]): number =>
      one.filter((person, probe) => person === other[probe]).length;
    const share = (count: number): string => `${((100 * count) / probes).toFixed(1)} %`;
    const cosine = cosineOf(kind);
    return [
      ...[kind.name, cosine?.toFixed(2) ?? "", cosine === undefined ? "" : share(equal(ofAll[at], right))],
      ...[cosine === undefined ? "" : share(equal(nearest[at], right)), share(equal(nearest[at], ofAll[at]))],
      `${median(times[at]).toFixed(1)} ms`,
    ];
  });
  const head = ["photos", "cosine with an enrolled one", "exact: the right person", "index: the right person"];
  return table([...head, "index: who is nearest of all (recall@1)", "a search"], rows);
}

export default defineBenchmark({
  name: "gallery",
  pages: ["gallery", "gallery-index", "gallery-peers", "gallery-graphs"],
  title: "Galleries of many faces",
  measures: "Adding, opening and searching a gallery of many faces, next to faiss, usearch and pgvector.",
  minutes: 30,
  requirements: "gallery",
  options: {
    faces: { help: "faces in the gallery", default: 1_000_000 },
    probes: { help: "searches, one face after the other", default: 200 },
    threads: { help: "threads of each", default: 2 },
    postgres: { help: "address of a database with pgvector that may be written; without: not compared", default: "" },
    "without-exact": { help: "no exact search of petalface, which takes long in larger galleries", default: false },
    indexes: { help: "indexes of petalface, usearch and faiss, which may miss somebody", default: false },
  },
  async job(job: Job): Promise<unknown> {
    if ("address" in job) return await withPgvector(job);
    if (job.kind === "nearest") return await nearestOfAll(job);
    if (job.kind === "fill") return await fill(job);
    return job.kind === "index" ? await index(job) : await search(job);
  },
  async run({ faces: count, probes, threads, postgres, indexes, ...options }, { work, python }) {
    const peer = await python();
    if (peer !== undefined) {
      await writeEmbeddings(work, count, probes);
      console.error(`${whole(count)} embeddings written`);
    }
    const drawer = openDrawer();
    const peopleOf = (kind: number): readonly number[] => drawer.probes(probeKinds[kind], count, probes).people;
    const right = peopleOf(0);
    const rows: string[][] = [];
    const report = (name: string, { opened, milliseconds, found }: Searched, memory: number | undefined): void => {
      const hits = found.filter((person, probe) => person === right[probe]).length;
      addRow(rows, [
        ...[name, `${opened.toFixed(1)} s`, `${milliseconds.toFixed(1)} ms`],
        ...[memory === undefined ? "the server's" : `${megabytes(memory)} MB`, `${hits} of ${probes}`],
      ]);
    };
    const ours = { folder: work, count, probes, threads };
    const added = await inProcess<number>("gallery", { ...ours, kind: "fill", rule: "best" } satisfies OursJob);
    // Of a gallery that an earlier run filled nothing is known.
    const adding = Number.isFinite(added.value)
      ? `petalface added ${whole(added.value)} faces a second, 128 in a transaction that reaches the disk.`
      : "An earlier run had filled the gallery.";
    console.error(adding);
    // Keeps compiled code for the next ones, as the command line does; it is not counted.
    const env = { NODE_COMPILE_CACHE: join(work, "code") };
    const run = <T>(job: Job) => inProcess<T>("gallery", job, { env });
    if (count <= mostExact && !options["without-exact"]) {
      await run({ ...ours, kind: "search", rule: "best", probes: 1 });
      for (const rule of ["best", "mean"] as const) {
        const { value, peak } = await run<AllSearched>({ ...ours, kind: "search", rule });
        report(`petalface, exact (8 bits), ${rule}`, firstKind(value), peak);
      }
    }
    let built = "";
    let recall = "";
    if (indexes) {
      const { value: made } = await run<Built>({ ...ours, kind: "index", rule: "mean" });
      const took =
        made.seconds < 60 ? `${made.seconds.toFixed(0)} seconds` : `${(made.seconds / 60).toFixed(1)} minutes`;
      built = ` Its index was built in ${took} (${whole(count / made.seconds)} faces a second) with
${megabytes(made.memory)} MB. The gallery's file has ${megabytes(made.gallery)} MB, the index ${megabytes(made.bytes)} MB; the process that searches holds the index in memory.`;
      console.error(built);
      const { value: ofAll } = await run<number[][]>({ kind: "nearest", count, probes, threads });
      const { value, peak } = await run<AllSearched>({ ...ours, kind: "search the index", rule: "mean" });
      report("petalface, index, then float32, mean", firstKind(value), peak);
      recall = `\n\n${probes} photos of each kind, compared with the mean of each person's faces: by the index, and exactly with everybody
in float32. Where the right person is not the nearest of all, no search finds them.\n\n${recallTable(value, ofAll, peopleOf)}`;
    }
    for (const peerName of peer === undefined ? [] : ["faiss", "usearch"])
      for (const kind of ["exact", ...(indexes ? ["index"] : [])]) {
        const program = [join(import.meta.dirname, "peer.py"), peerName, kind, work, String(threads)];
        const found = peer?.json<Searched & { readonly memory: number }>(program);
        const bits = peerName === "usearch" && kind === "index" ? "8 bits" : "float32";
        const name = `${peerName}, ${kind === "exact" ? "exact" : "HNSW"} (${bits})`;
        if (found !== undefined) report(name, found, found.memory);
      }
    if (postgres !== "") {
      const job: PgvectorJob = { kind: "pgvector index", count, probes, address: postgres };
      const { value } = await run<Searched>(job);
      report("pgvector, HNSW (half precision)", value, undefined);
    }
    return {
      versions: peer?.versions ?? [],
      body: `${whole(count)} made-up embeddings of 512 numbers in 128 directions, 4 of each person (\`bench/gallery/data.ts\`): random
numbers, multiplied with columns of a Hadamard matrix. ${probes} searches, one face after
the other, on ${threads} threads; the median counts. To the first search: opening the gallery's file, or for the others reading
the embeddings and building. Memory is the peak of the process. petalface
finds its compiled code of an earlier run, as every command but the first does. Found: the nearest face is one of the right person's.

${adding}${built}

${table(["", "to the first search", "a search", "memory", "found"], rows)}${recall}`,
    };
  },
});
