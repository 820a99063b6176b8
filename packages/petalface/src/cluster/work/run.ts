import { hostname } from "node:os";
import { itemAt } from "onnx-grad";
import type { Surroundings } from "../../api/surroundings.ts";
import { messageOf, PetalfaceError } from "../../errors.ts";
import { type OpenJob, openJob, type ShardResult } from "./kinds.ts";
import {
  type Claim,
  claim,
  extend,
  finish,
  giveBack,
  leaseSeconds,
  type Owner,
  release,
  takeContents,
} from "./queue.ts";
import { makeTables } from "./schema.ts";
import { type QueueServer, ServerDown } from "./server.ts";

/** How a worker works. */
export interface WorkOptions {
  readonly threads: number;
  /** Ends once nothing is left to do; else the worker waits for more. */
  readonly untilEmpty: boolean;
  /** Seconds that a shard belongs to this worker without a sign of life. */
  readonly lease?: number | undefined;
}

/** What a worker did. */
export interface WorkSummary {
  readonly shards: number;
  readonly faces: number;
  /** Shards that failed here and were given back. */
  readonly failed: number;
}

/** Milliseconds between two looks at a queue with nothing to do, or at a server that is down. */
const pause = 500;
/** Milliseconds that a worker tries to say that a shard is done to a server that is down. */
const stubborn = 300_000;

const wait = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Takes shards from the servers of a queue, one at a time, until the signal aborts or nothing is
 * left. A server that is down is asked again later; its shards wait there meanwhile.
 *
 * @throws PetalfaceError where no server has ever answered
 */
export async function work(
  servers: readonly QueueServer[],
  { threads, untilEmpty, lease = leaseSeconds }: WorkOptions,
  context: Surroundings,
): Promise<WorkSummary> {
  const name = `${hostname()}:${process.pid}`;
  const jobs = new Map<string, Promise<OpenJob>>();
  const ready = new Set<QueueServer>();
  const done = { shards: 0, faces: 0, failed: 0 };
  const { signal } = context;
  try {
    for (let turn = 0; !signal.aborted; turn++) {
      let claimed: Claim | undefined;
      let down = 0;
      for (let at = 0; at < servers.length && claimed === undefined; at++) {
        const server = itemAt(servers, (turn + at) % servers.length);
        try {
          if (!ready.has(server)) await makeTables(server);
          ready.add(server);
          claimed = await claim(server, name, lease);
        } catch (error) {
          if (!(error instanceof ServerDown)) throw error;
          if (ready.size === 0 && servers.length === 1 && turn === 0) throw error;
          context.noteOnce(`${error.message}; trying again`);
          down++;
        }
      }
      if (claimed === undefined) {
        if (untilEmpty && down === 0 && (await isEmpty(servers))) break;
        await wait(pause);
        continue;
      }
      const result = await doShard(servers, claimed, { jobs, threads, lease }, context);
      if (result === undefined) done.failed++;
      else {
        done.shards++;
        done.faces += result.faces;
        context.note(`job ${claimed.job.id}: shard ${claimed.number} of ${claimed.job.shards}, ${result.faces} faces`);
      }
    }
    return done;
  } finally {
    for (const job of jobs.values()) await (await job.catch(() => undefined))?.[Symbol.asyncDispose]();
  }
}

/** Whether no shard waits or is at work. A server that is down now may have some. */
async function isEmpty(servers: readonly QueueServer[]): Promise<boolean> {
  try {
    for (const server of servers) {
      const rows = await server.query("SELECT 1 FROM petalface_shard WHERE state IN ('WAITING', 'RUNNING') LIMIT 1");
      if (rows.length > 0) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof ServerDown) return false;
    throw error;
  }
}

interface Around {
  readonly jobs: Map<string, Promise<OpenJob>>;
  readonly threads: number;
  readonly lease: number;
}

/** Does one shard and says so; undefined where it was given back. */
async function doShard(
  servers: readonly QueueServer[],
  claimed: Claim,
  { jobs, threads, lease }: Around,
  context: Surroundings,
): Promise<ShardResult | undefined> {
  const { job, number, start, count } = claimed;
  const lost = new AbortController();
  const signal = AbortSignal.any([context.signal, lost.signal]);
  const beat = setInterval(
    () => {
      extend(claimed, lease).then(
        (kept) =>
          kept ||
          lost.abort(
            new PetalfaceError(
              "PETAL_JOB_MISMATCH",
              `shard ${number} took longer than its lease, and another worker has it`,
            ),
          ),
        () => undefined,
      );
    },
    (lease * 1000) / 3,
  );
  try {
    let opened = jobs.get(job.id);
    if (opened === undefined) {
      opened = openJob(job.work, threads, context);
      jobs.set(job.id, opened);
      opened.catch(() => jobs.delete(job.id));
    }
    const open = await opened;
    const places = Array.from({ length: count }, (_, i) => start + i);
    const hashes: Buffer[] = [];
    for (const place of open.once ? places : []) hashes.push(await open.hash(place));
    const owners = open.once
      ? await takeContents(servers, claimed, hashes)
      : places.map((_, place): Owner => ({ shard: number, place }));
    const isOwn = (place: number): boolean => owners[place]?.shard === number && owners[place]?.place === place;
    const result = await open.run(
      {
        number,
        again: claimed.attempt > 1,
        own: places.filter((_, place) => isOwn(place)),
        duplicates: Object.fromEntries(
          places.flatMap((at, place) => (isOwn(place) ? [] : [[open.idOf(at), itemAt(owners, place)]])),
        ),
      },
      { ...context, signal },
    );
    await insist(() => finish(claimed, result), context);
    return result;
  } catch (error) {
    if (context.signal.aborted || error instanceof ServerDown) await insist(() => release(claimed), context);
    else if (!lost.signal.aborted) {
      const problem = messageOf(error);
      context.note(`job ${job.id}: shard ${number} failed (try ${claimed.attempt}): ${problem}`);
      await insist(() => giveBack(claimed, problem), context);
    }
    return undefined;
  } finally {
    clearInterval(beat);
  }
}

/**
 * Says something to a server until it hears it: a server that restarts must not lose what was done.
 */
async function insist<T>(say: () => Promise<T>, context: Surroundings): Promise<T | undefined> {
  for (const end = performance.now() + stubborn; performance.now() < end; ) {
    try {
      return await say();
    } catch (error) {
      if (!(error instanceof ServerDown)) throw error;
      context.noteOnce(`${error.message}; trying again`);
      if (context.signal.aborted) return undefined;
      await wait(pause);
    }
  }
  return undefined;
}
