import { claim, finish, openServers, submit, takeContents } from "petalface/cluster";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { table, whole } from "../skeleton/page.ts";
import { UsageError } from "../skeleton/usage-error.ts";

/** A content that differs from all others, as long as a real hash. */
function hashOf(face: number): Buffer {
  const hash = Buffer.alloc(16);
  hash.writeUInt32LE(Math.imul(face, 2_654_435_761) >>> 0, 0);
  hash.writeUInt32LE(face, 4);
  return hash;
}

export default defineBenchmark({
  name: "work",
  title: "Bookkeeping of bulk work",
  measures: "Faces a second through the queue of `petalface work`, without the work itself.",
  minutes: 4,
  needs: "addresses of empty databases of PostgreSQL in PETALFACE_BENCH_QUEUE, with spaces between",
  options: {
    faces: { help: "tiny faces", default: 1_000_000 },
    shard: { help: "faces of a shard", default: 1000 },
    workers: { help: "workers, in this process", default: 4 },
  },
  async run({ faces, shard, workers }) {
    const addresses = (process.env.PETALFACE_BENCH_QUEUE ?? "").split(" ").filter((address) => address !== "");
    if (addresses.length === 0) throw new UsageError("PETALFACE_BENCH_QUEUE names no database");
    const queue = await openServers(addresses);
    try {
      const begin = performance.now();
      const work = { kind: "align", data: "faces", fingerprint: "", faces } as const;
      const job = await submit(queue, { id: "bench", work }, faces, shard);
      const submitted = performance.now();
      let taken = 0;
      const one = async (worker: number): Promise<void> => {
        for (let turn = worker; ; turn++) {
          let claimed: Awaited<ReturnType<typeof claim>>;
          for (let at = 0; at < queue.length && claimed === undefined; at++) {
            const server = queue[(turn + at) % queue.length];
            claimed = server && (await claim(server, `worker ${worker}`));
          }
          if (claimed === undefined) return;
          const { start, count: length, number } = claimed;
          const hashes = Array.from({ length }, (_, i) => hashOf(start + i));
          const owners = await takeContents(queue, claimed, hashes);
          taken += owners.filter((owner, place) => owner.shard === number && owner.place === place).length;
          if (!(await finish(claimed, { faces: length }))) throw new Error(`shard ${number} was lost`);
        }
      };
      await Promise.all(Array.from({ length: workers }, (_, worker) => one(worker)));
      const seconds = (performance.now() - submitted) / 1000;
      const rate = faces / seconds;
      return {
        failed: taken !== faces || rate < 2000,
        body: `${table(
          ["faces", "shards", "workers", "servers", "submitted in", "done in", "faces a second", "asked for"],
          [
            [
              ...[whole(faces), whole(job.shards), String(workers), String(addresses.length)],
              ...[`${((submitted - begin) / 1000).toFixed(1)} s`, `${seconds.toFixed(0)} s`, whole(rate), "2,000"],
            ],
          ],
        )}

Each shard is leased, the content of its faces is taken on the server that each hash names, and the shard is marked as
done. ${whole(taken)} of ${whole(faces)} contents were taken once. `,
      };
    } finally {
      for (const server of queue) await server.close();
    }
  },
});
