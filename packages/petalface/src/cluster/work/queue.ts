import { randomUUID } from "node:crypto";
import { makeTables } from "./schema.ts";
import { type QueueServer, serverOfKey } from "./server.ts";
import type { JobWork } from "./types.ts";

/** A job as its servers keep it. */
export interface Job {
  readonly id: string;
  readonly work: JobWork;
  readonly shards: number;
}

/** A shard that this worker holds the lease of. */
export interface Claim {
  readonly job: Job;
  readonly number: number;
  /** Its first face, and how many it has. */
  readonly start: number;
  readonly count: number;
  /** Which try this is, from 1. */
  readonly attempt: number;
  readonly token: string;
  readonly server: QueueServer;
}

/** How a job's shards stand. */
export interface JobStatus {
  readonly id: string;
  readonly work: JobWork;
  readonly shards: number;
  readonly waiting: number;
  readonly running: number;
  readonly done: number;
  /** Shards that failed too often, with the last reason. */
  readonly aside: readonly {
    readonly number: number;
    readonly start: number;
    readonly count: number;
    readonly problem: string;
  }[];
  /** Contents that were taken. */
  readonly contents: number;
}

/** Tries of a shard until it is set aside. A worker that dies has tried too. */
export const mostAttempts = 3;
/** Seconds that a shard belongs to a worker that gives no sign of life. */
export const leaseSeconds = 30;

/**
 * Writes a job and its shards to all servers. A job that is there already stays as it is, so that a
 * submission that broke off is repeated.
 *
 * @param faces how many the job's set has
 */
export async function submit(
  servers: readonly QueueServer[],
  job: Omit<Job, "shards">,
  faces: number,
  shardSize: number,
): Promise<Job> {
  const shards = Math.ceil(faces / shardSize);
  for (const [at, server] of servers.entries()) {
    await makeTables(server);
    await server.transaction(async (sql) => {
      await sql.query("INSERT INTO petalface_job (id, work, shards) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", [
        job.id,
        JSON.stringify(job.work),
        shards,
      ]);
      await sql.query(
        `INSERT INTO petalface_shard (job, number, start, count)
         SELECT $1, number, number::bigint * $2, least($2, $3 - number::bigint * $2)
         FROM generate_series($4::integer, $5::integer - 1, $6::integer) AS number ON CONFLICT DO NOTHING`,
        [job.id, shardSize, faces, at, shards, servers.length],
      );
    });
  }
  return { ...job, shards };
}

/**
 * Takes the lease of one shard: one that waits, or whose worker gave no sign of life. Workers that
 * ask at the same moment get different ones. A shard that was tried too often is set aside.
 */
export async function claim(server: QueueServer, worker: string, seconds = leaseSeconds): Promise<Claim | undefined> {
  await server.query(
    `UPDATE petalface_shard SET state = 'ASIDE', problem = coalesce(problem, 'its workers died')
     WHERE state IN ('WAITING', 'RUNNING') AND lease < now() AND attempts >= $1`,
    [mostAttempts],
  );
  const token = randomUUID();
  const [row] = await server.query<{
    readonly job: string;
    readonly number: number;
    readonly start: string;
    readonly count: number;
    readonly attempts: number;
    readonly work: JobWork;
    readonly shards: number;
  }>(
    `UPDATE petalface_shard AS shard
     SET state = 'RUNNING', attempts = attempts + 1, token = $1, worker = $2, lease = now() + $3 * interval '1 second'
     FROM (
       SELECT job, number FROM petalface_shard
       WHERE state IN ('WAITING', 'RUNNING') AND lease < now() AND attempts < $4
       ORDER BY attempts, job, number LIMIT 1 FOR UPDATE SKIP LOCKED
     ) AS next, petalface_job AS job
     WHERE shard.job = next.job AND shard.number = next.number AND job.id = next.job
     RETURNING shard.job, shard.number, shard.start, shard.count, shard.attempts, job.work, job.shards`,
    [token, worker, seconds, mostAttempts],
  );
  if (row === undefined) return undefined;
  const { job, number, start, count, attempts, work, shards } = row;
  return {
    job: { id: job, work, shards },
    number,
    start: Number(start),
    count,
    attempt: attempts,
    token,
    server,
  };
}

const mine = "job = $1 AND number = $2 AND token = $3 AND state = 'RUNNING'";

/** Keeps a lease. False where another worker has the shard now. */
export async function extend({ job, number, token, server }: Claim, seconds = leaseSeconds): Promise<boolean> {
  const rows = await server.query(
    `UPDATE petalface_shard SET lease = now() + $4 * interval '1 second' WHERE ${mine} RETURNING number`,
    [job.id, number, token, seconds],
  );
  return rows.length === 1;
}

/** Marks a shard as done. False where another worker has it now: what was written is the same. */
export async function finish({ job, number, token, server }: Claim, result: unknown): Promise<boolean> {
  const rows = await server.query(
    `UPDATE petalface_shard SET state = 'DONE', result = $4, problem = NULL WHERE ${mine} RETURNING number`,
    [job.id, number, token, JSON.stringify(result)],
  );
  return rows.length === 1;
}

/** Gives a shard back that failed; the last time it is set aside. */
export async function giveBack({ job, number, token, server }: Claim, problem: string): Promise<void> {
  await server.query(
    `UPDATE petalface_shard SET state = CASE WHEN attempts >= $5 THEN 'ASIDE' ELSE 'WAITING' END,
       lease = now() + attempts * interval '1 second', problem = $4 WHERE ${mine}`,
    [job.id, number, token, problem, mostAttempts],
  );
}

/** Gives a shard back that was not at fault: its try does not count. */
export async function release({ job, number, token, server }: Claim): Promise<void> {
  await server.query(
    `UPDATE petalface_shard SET state = 'WAITING', lease = '-infinity', attempts = attempts - 1 WHERE ${mine}`,
    [job.id, number, token],
  );
}

/** Where a content was met first in its job. */
export interface Owner {
  readonly shard: number;
  readonly place: number;
}

/**
 * Takes contents for a shard: each belongs to the first place that asked for it, on whichever
 * server its hash says. A shard that is done again gets what it had.
 *
 * @param hashes of the shard's faces, in order
 * @returns the place that each belongs to
 */
export async function takeContents(
  servers: readonly QueueServer[],
  { job, number }: Pick<Claim, "job" | "number">,
  hashes: readonly Buffer[],
): Promise<Owner[]> {
  const owners = new Array<Owner>(hashes.length);
  for (const server of servers) {
    const places = hashes.flatMap((hash, place) => (serverOfKey(servers, hash[0] ?? 0) === server ? [place] : []));
    if (places.length === 0) continue;
    // In the order of hashes: workers that take the same contents cannot wait for each other in a
    // circle.
    const sorted = places.toSorted(
      (one, other) => Buffer.compare(hashAt(hashes, one), hashAt(hashes, other)) || one - other,
    );
    await server.query(
      `INSERT INTO petalface_content (job, hash, shard, place)
       SELECT $1, hash, $2, place FROM unnest($3::bytea[], $4::integer[]) AS given (hash, place) ON CONFLICT DO NOTHING`,
      [job.id, number, sorted.map((place) => hashAt(hashes, place)), sorted],
    );
    const rows = await server.query<{ readonly hash: Buffer; readonly shard: number; readonly place: number }>(
      "SELECT hash, shard, place FROM petalface_content WHERE job = $1 AND hash = ANY($2::bytea[])",
      [job.id, sorted.map((place) => hashAt(hashes, place))],
    );
    const found = new Map(rows.map(({ hash, shard, place }) => [hash.toString("base64"), { shard, place }]));
    for (const place of places) {
      const owner = found.get(hashAt(hashes, place).toString("base64"));
      if (owner !== undefined) owners[place] = owner;
    }
  }
  return owners;
}

const hashAt = (hashes: readonly Buffer[], place: number): Buffer => hashes[place] ?? Buffer.alloc(0);

/** How all jobs of a queue stand, the oldest first. */
export async function statusOf(servers: readonly QueueServer[]): Promise<JobStatus[]> {
  const jobs = new Map<string, JobStatus>();
  for (const server of servers) {
    await makeTables(server);
    const rows = await server.query<{
      readonly id: string;
      readonly work: JobWork;
      readonly shards: number;
      readonly waiting: string;
      readonly running: string;
      readonly done: string;
      readonly contents: string;
    }>(
      `SELECT id, work, shards,
         count(*) FILTER (WHERE state = 'WAITING' OR (state = 'RUNNING' AND lease < now())) AS waiting,
         count(*) FILTER (WHERE state = 'RUNNING' AND lease >= now()) AS running,
         count(*) FILTER (WHERE state = 'DONE') AS done,
         (SELECT count(*) FROM petalface_content WHERE job = id) AS contents
       FROM petalface_job LEFT JOIN petalface_shard ON job = id GROUP BY id, work, shards, made ORDER BY made, id`,
    );
    const aside = await server.query<{
      readonly job: string;
      readonly number: number;
      readonly start: string;
      readonly count: number;
      readonly problem: string;
    }>("SELECT job, number, start, count, problem FROM petalface_shard WHERE state = 'ASIDE' ORDER BY job, number");
    for (const { id, work, shards, ...row } of rows) {
      const before = jobs.get(id);
      jobs.set(id, {
        id,
        work,
        shards,
        waiting: (before?.waiting ?? 0) + Number(row.waiting),
        running: (before?.running ?? 0) + Number(row.running),
        done: (before?.done ?? 0) + Number(row.done),
        contents: (before?.contents ?? 0) + Number(row.contents),
        aside: [
          ...(before?.aside ?? []),
          ...aside
            .filter(({ job }) => job === id)
            .map(({ number, start, count, problem }) => ({ number, start: Number(start), count, problem })),
        ],
      });
    }
  }
  return [...jobs.values()];
}

/** Lets shards that were set aside be tried again. Returns how many. */
export async function retryAside(servers: readonly QueueServer[], job: string): Promise<number> {
  let count = 0;
  for (const server of servers)
    count += (
      await server.query(
        `UPDATE petalface_shard SET state = 'WAITING', attempts = 0, lease = '-infinity', problem = NULL
         WHERE job = $1 AND state = 'ASIDE' RETURNING number`,
        [job],
      )
    ).length;
  return count;
}

/** Deletes a job with its shards; results that were written stay. */
export async function removeJob(servers: readonly QueueServer[], job: string): Promise<boolean> {
  let found = false;
  for (const server of servers)
    found = (await server.query("DELETE FROM petalface_job WHERE id = $1 RETURNING id", [job])).length > 0 || found;
  return found;
}
