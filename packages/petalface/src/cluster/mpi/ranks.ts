import { writeSync } from "node:fs";
import { hostname } from "node:os";
import { Worker } from "node:worker_threads";
import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import { launchOf, libraryNames } from "../../launched.ts";
import type { Ranks } from "../../ranks.ts";
import type { Layout } from "./abi.ts";
import { outlive } from "./launcher.ts";
import type { Answer, Failure, Meeting, Request, Transfer } from "./messages.ts";

/** The ranks of a program that `mpirun` or `srun` started. */
export interface MpiRanks extends Ranks {
  /** The library, such as "Open MPI v4.1.4". */
  readonly library: string;
  /** Whether a rank that dies is noticed and named. */
  readonly watched: boolean;
  /** What people should do after a failure; part of the line that names a dead rank. */
  hint(text: string): void;
  /**
   * This rank cannot go on. One line says so, which names the rank unless all failed alike; then
   * all ranks end. An empty message says nothing.
   *
   * @returns the exit code to end with
   */
  fail(failure: Failure): Promise<number>;
  /** Ends MPI, once every rank has called it. */
  close(): Promise<void>;
}

/**
 * Joins the other processes that an MPI launcher started; undefined where there is no launcher.
 *
 * @throws PetalfaceError where MPI cannot be loaded or is not the launcher's
 */
export async function openRanks(env: NodeJS.ProcessEnv = process.env): Promise<MpiRanks | undefined> {
  const launch = launchOf(env);
  if (launch === undefined) return undefined;
  const names = libraryNames(launch.kind, env, process.platform);
  // The worker is next to this file, as source in the repository and built in the package.
  const file = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);
  const thread = openThread(new Worker(file, { workerData: { names } }));
  const { rank, count, version } = await thread.ready;
  if (launch.count !== undefined && launch.count !== count)
    throw new PetalfaceError(
      "PETAL_RANKS_FAILED",
      `the launcher started ${launch.count} processes, and ${version} sees ${count}: it is not the launcher's own library. Name that one in PETALFACE_MPI (with Slurm: srun has to use PMIx or PMI-2)`,
    );
  const letGo = outlive(env);
  const transfers = transfersOf(thread.transfer, rank, count);
  // Until they watch each other, no rank would notice that another one has died.
  const timer = setTimeout(() => {
    writeSync(
      2,
      `petalface: rank ${rank} did not meet the others within ${mostMeeting / 1000} s; start all of them again\n`,
    );
    leaveStuck();
  }, mostMeeting).unref();
  const hosts = await transfers.gatherTexts(hostname());
  const own = (await thread.ask({ kind: "meet", hosts })) as Meeting | undefined;
  const texts = await transfers.gatherTexts(JSON.stringify(own ?? null));
  const meetings = texts.slice(0, 2).map((text) => JSON.parse(text) as Meeting);
  const joined = await thread.ask({ kind: "watch", meetings });
  const watched = (await transfers.gatherTexts(String(joined))).every((text) => text === "true");
  clearTimeout(timer);
  return {
    rank,
    count,
    hosts,
    library: version,
    watched,
    ...transfers,
    hint: (hint) => void thread.ask({ kind: "hint", hint }),
    async fail(failure) {
      const asked = thread.ask({ kind: "fail", failure }) as Promise<number>;
      // Ending MPI waits for every rank, and one of them may die meanwhile.
      const timer = setTimeout(leaveStuck, mostFinalizing).unref();
      const code = await asked;
      clearTimeout(timer);
      await letGo();
      return code;
    },
    async close() {
      // Until all are here, a rank that dies is noticed; from then on, it is not needed.
      await transfers.gather([Float32Array.of(rank)]);
      const timer = setTimeout(leaveStuck, mostFinalizing).unref();
      await thread.ask({ kind: "close" });
      clearTimeout(timer);
      await letGo();
      await thread.end();
    },
  };
}

/** Milliseconds that ranks may take to meet once MPI has started on each of them. */
const mostMeeting = 60_000;
/**
 * Milliseconds that MPI may take to end. Large networks take seconds; with a dead rank it never
 * ends.
 */
const mostFinalizing = 30_000;

/**
 * Ends a process whose thread of MPI is stuck in the library, from where no exit handler returns.
 */
function leaveStuck(): void {
  process.kill(process.pid, "SIGKILL");
}

type Ask = Request extends infer R ? (R extends { readonly id: number } ? Omit<R, "id"> : never) : never;

/** Questions to the thread of MPI, and its answers. */
function openThread(worker: Worker) {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let next = 1;
  let broken: Error | undefined;
  let start: { resolve(ready: Extract<Answer, { kind: "ready" }>): void; reject(error: Error): void };
  const ready = new Promise<Extract<Answer, { kind: "ready" }>>((resolve, reject) => {
    start = { resolve, reject };
  });
  const breakAll = (error: Error): void => {
    broken ??= error;
    start.reject(error);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on("message", (answer: Answer) => {
    if (answer.kind === "ready") return start.resolve(answer);
    if (answer.kind === "failed" && answer.id === 0)
      return breakAll(new PetalfaceError("PETAL_RANKS_FAILED", answer.message));
    const one = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (answer.kind === "done") one?.resolve(answer.value);
    else one?.reject(new PetalfaceError("PETAL_RANKS_FAILED", answer.message));
  });
  worker.on("error", breakAll);
  worker.on("exit", () => breakAll(new Error("the thread of MPI has ended")));
  const ask = (request: Ask): Promise<unknown> => {
    if (broken !== undefined) return Promise.reject(broken);
    const id = next++;
    worker.postMessage({ ...request, id });
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  };
  return {
    ready,
    ask,
    transfer: (transfer: Transfer) => ask(transfer),
    async end(): Promise<void> {
      worker.removeAllListeners("exit");
      await worker.terminate();
    },
  };
}

/**
 * Shared memory that is used again and grows. Two in turn: what came last is good until the call
 * after the next.
 */
function createBuffers() {
  const slots = [new SharedArrayBuffer(0), new SharedArrayBuffer(0)];
  let turn = 0;
  return (length: number): Float32Array<SharedArrayBuffer> => {
    turn = 1 - turn;
    let slot = itemAt(slots, turn);
    if (slot.byteLength < 4 * length) {
      slot = new SharedArrayBuffer(Math.ceil((4.2 * length) / 4096) * 4096);
      slots[turn] = slot;
    }
    return new Float32Array(slot, 0, length);
  };
}

/** Counts and places of parts that lie one behind the other, in memory that MPI can keep. */
function layoutOf(lengths: readonly number[]): Layout {
  const counts = new Int32Array(new SharedArrayBuffer(4 * lengths.length));
  const places = new Int32Array(new SharedArrayBuffer(4 * lengths.length));
  let place = 0;
  lengths.forEach((length, rank) => {
    counts[rank] = length;
    places[rank] = place;
    place += length;
  });
  return { counts, places };
}

const sumOf = (lengths: readonly number[]): number => lengths.reduce((sum, length) => sum + length, 0);

/** The parts of a buffer. */
function partsOf(all: Float32Array, { counts, places }: Layout): Float32Array[] {
  return Array.from(counts, (count, rank) => {
    const place = itemAt(places, rank);
    return all.subarray(place, place + count);
  });
}

/** The collective operations, by way of the thread of MPI. */
function transfersOf(
  transfer: (transfer: Transfer) => Promise<unknown>,
  rank: number,
  count: number,
): Pick<Ranks, "gather" | "join" | "exchange" | "gatherTexts"> {
  const buffers = {
    join: { send: createBuffers(), receive: createBuffers() },
    exchange: { send: createBuffers(), receive: createBuffers() },
  };
  const join = async (pieces: readonly Float32Array[], lengths: readonly number[]) => {
    const received = layoutOf(lengths);
    const send = buffers.join.send(itemAt(lengths, rank));
    let place = 0;
    for (const piece of pieces) {
      send.set(piece, place);
      place += piece.length;
    }
    const receive = buffers.join.receive(sumOf(lengths));
    await transfer({ kind: "join", send, receive, received });
    return { receive, parts: partsOf(receive, received) };
  };
  return {
    async gather(pieces) {
      const lengths = pieces.map(({ length }) => length);
      const { parts } = await join(pieces, new Array<number>(count).fill(sumOf(lengths)));
      return parts.map((part) => partsOf(part, layoutOf(lengths)));
    },
    join: async (part, lengths) => (await join([part], lengths)).receive,
    async exchange(given, lengths) {
      const sent = layoutOf(given.map(({ length }) => length));
      const send = buffers.exchange.send(sumOf([...sent.counts]));
      given.forEach((part, to) => {
        send.set(part, sent.places[to]);
      });
      const received = layoutOf(lengths);
      const receive = buffers.exchange.receive(sumOf(lengths));
      await transfer({ kind: "exchange", send, sent, receive, received });
      return partsOf(receive, received);
    },
    async gatherTexts(text) {
      const bytes = Buffer.from(text);
      const words = new Uint8Array(4 * Math.ceil(bytes.length / 4));
      words.set(bytes);
      // A length in three numbers that float32 holds exactly.
      const digits = [bytes.length % 4096, Math.floor(bytes.length / 4096) % 4096, Math.floor(bytes.length / 2 ** 24)];
      const all = (await join([Float32Array.from(digits)], new Array<number>(count).fill(3))).parts;
      const sizes = all.map(([low = 0, middle = 0, high = 0]) => low + 4096 * middle + 2 ** 24 * high);
      const { parts } = await join(
        [new Float32Array(words.buffer)],
        sizes.map((size) => Math.ceil(size / 4)),
      );
      return parts.map(({ buffer, byteOffset }, from) =>
        Buffer.from(new Uint8Array(buffer, byteOffset, sizes[from])).toString(),
      );
    },
  };
}
