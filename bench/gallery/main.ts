/** Galleries of many faces: adding, opening, searching, next to faiss, usearch and pgvector. */
import { join } from "node:path";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { inProcess } from "../skeleton/children.ts";
import { megabytes, table, whole } from "../skeleton/page.ts";
import { writeEmbeddings } from "./data.ts";
import { fill, index, type OursJob, search } from "./ours.ts";
import { type PgvectorJob, withPgvector } from "./pgvector.ts";
import type { Contender } from "./table.ts";

type Job = OursJob | PgvectorJob;
type Result = Omit<Contender, "name" | "memory">;

export default defineBenchmark({
  name: "gallery",
  title: "Galleries of many faces",
  measures: "Adding, opening and searching a gallery of many faces, next to faiss, usearch and pgvector.",
  minutes: 30,
  requirements: join(import.meta.dirname, "requirements.txt"),
  options: {
    faces: { help: "faces in the gallery", default: 1_000_000 },
    probes: { help: "searches, one face after the other", default: 200 },
    threads: { help: "threads of each", default: 2 },
    postgres: { help: "address of a database with pgvector that may be written; without: not compared", default: "" },
    indexes: { help: "approximate indexes of petalface, usearch and faiss, which take long to build", default: false },
  },
  async job(job: Job): Promise<unknown> {
    if ("address" in job) return await withPgvector(job);
    if (job.kind === "fill") return await fill(job);
    return job.kind === "index" ? await index(job) : await search(job);
  },
  async run({ faces: count, probes, threads, postgres, indexes }, { work, python }) {
    const right = await writeEmbeddings(work, count, probes);
    console.error(`${whole(count)} embeddings written`);
    const rows: string[][] = [];
    const report = (name: string, { opened, milliseconds, found }: Result, memory: number | undefined): void => {
      const hits = found.filter((person, probe) => person === right[probe]).length;
      rows.push([
        ...[name, `${opened.toFixed(1)} s`, `${milliseconds.toFixed(1)} ms`],
        ...[memory === undefined ? "the server's" : `${megabytes(memory)} MB`, `${hits} of ${probes}`],
      ]);
      console.error(rows.at(-1)?.join("  "));
    };
    const ours = { folder: work, count, threads };
    const added = await inProcess<number>("gallery", { ...ours, kind: "fill", rule: "best" } satisfies OursJob);
    console.error(`${whole(added.value)} faces a second added`);
    // Keeps compiled code for the next ones, as the command line does; it is not counted.
    const env = { NODE_COMPILE_CACHE: join(work, "code") };
    await inProcess<Result>("gallery", { ...ours, kind: "search", rule: "best" } satisfies OursJob, { env });
    for (const rule of ["best", "mean"] as const) {
      const job: OursJob = { ...ours, kind: "search", rule };
      const { value, peak } = await inProcess<Result>("gallery", job, { env });
      report(`petalface, exact (8 bits), ${rule}`, value, peak);
    }
    let built = "";
    if (indexes) {
      const { value: rate } = await inProcess<number>("gallery", {
        ...ours,
        kind: "index",
        rule: "mean",
      } satisfies OursJob);
      built = ` Its index took ${whole(rate)} faces a second.`;
      const job: OursJob = { ...ours, kind: "search the index", rule: "mean" };
      const { value, peak } = await inProcess<Result>("gallery", job);
      report("petalface, index (usearch, 8 bits), then float32, mean", value, peak);
    }
    const peer = await python();
    for (const peerName of peer === undefined ? [] : ["faiss", "usearch"])
      for (const kind of ["exact", ...(indexes ? ["index"] : [])]) {
        const program = [join(import.meta.dirname, "peer.py"), peerName, kind, work, String(threads)];
        const found = peer?.json<Result & { readonly memory: number }>(program);
        const bits = peerName === "usearch" && kind === "index" ? "8 bits" : "float32";
        const name = `${peerName}, ${kind === "exact" ? "exact" : "HNSW"} (${bits})`;
        if (found !== undefined) report(name, found, found.memory);
      }
    if (postgres !== "") {
      const job: PgvectorJob = { kind: "pgvector index", folder: work, count, address: postgres };
      const { value } = await inProcess<Result>("gallery", job);
      report("pgvector, HNSW (half precision)", value, undefined);
    }
    return {
      versions: peer?.versions ?? [],
      body: `${whole(count)} made-up embeddings of 512 numbers, 4 of each person (\`bench/gallery/data.ts\`). ${probes} searches, one face after
the other, on ${threads} threads; the median counts. To the first search: opening the gallery's file, or for the others reading
the embeddings and building. Memory is the peak of the process. petalface
finds its compiled code of an earlier run, as every command but the first does. Found: the nearest face is one of the right person's.

petalface added ${whole(added.value)} faces a second, 128 in a transaction that reaches the disk.${built}

${table(["", "to the first search", "a search", "memory", "found"], rows)}`,
    };
  },
});
