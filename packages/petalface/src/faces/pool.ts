import { Piscina } from "piscina";
import { PetalfaceError } from "../errors.ts";
import { type Job, type JobResult, openWork, type WorkOptions } from "./work.ts";
import type { WorkerAnswer } from "./worker.ts";

/** Threads that align photos. */
export interface Pool extends AsyncDisposable {
  /** Jobs that should be under way at once, so that no thread waits. */
  readonly depth: number;
  /**
   * Throws PetalfaceError where the run cannot continue: a full disk, a detector that does not
   * open.
   */
  run(jobs: readonly Job[]): Promise<readonly JobResult[]>;
}

/** Opens a {@link Pool}; 0 threads work in the calling one. */
export async function openPool(options: WorkOptions, threads: number): Promise<Pool> {
  if (threads === 0) {
    const work = await openWork(options);
    return {
      depth: 1,
      async run(jobs) {
        const results: JobResult[] = [];
        for (const job of jobs) results.push(await work.run(job));
        return results;
      },
      [Symbol.asyncDispose]: () => work.close(),
    };
  }
  const worker = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);
  // Opened with the first job: a run that finds everything done needs no threads and no detector.
  let piscina: Piscina<readonly Job[], WorkerAnswer> | undefined;
  const open = (): Piscina<readonly Job[], WorkerAnswer> =>
    new Piscina({
      filename: worker.href,
      minThreads: threads,
      maxThreads: threads,
      workerData: options,
      execArgv: [],
    });
  return {
    // Two for each thread: one in work, one waiting.
    depth: 2 * threads,
    async run(jobs) {
      piscina ??= open();
      const answer = await piscina.run(jobs);
      if ("results" in answer) return answer.results;
      throw answer.code === undefined ? new Error(answer.failed) : new PetalfaceError(answer.code, answer.failed);
    },
    async [Symbol.asyncDispose]() {
      if (piscina !== undefined) await closeThreads(piscina, threads, []);
    },
  };
}

/**
 * Closes a pool whose threads load onnxruntime. A thread that is stopped while it opens a session
 * takes the whole process along ("terminate called after throwing an instance of 'Napi::Error'"),
 * so each has to answer an empty task first: one for every thread reaches all that have nothing
 * else to do, and is answered once the thread has started. Never throws for what a task throws.
 */
export async function closeThreads<T, R>(piscina: Piscina<T, R>, threads: number, empty: T): Promise<void> {
  await Promise.allSettled(Array.from({ length: threads }, () => piscina.run(empty)));
  await piscina.close();
}
