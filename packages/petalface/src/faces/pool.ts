import { prepareThreads } from "../runtime/index.ts";
import { receiveError } from "../thread.ts";
import { openWorkers, type Workers } from "../workers.ts";
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
  // Opened with the first job: a run that finds everything done needs no threads and no detector.
  let workers: Workers<readonly Job[], WorkerAnswer> | undefined;
  return {
    // Two for each thread: one in work, one waiting.
    depth: 2 * threads,
    async run(jobs) {
      if (workers === undefined) prepareThreads();
      workers ??= openWorkers(import.meta.url, { threads, start: "all", workerData: options });
      const answer = await workers.run(jobs);
      if ("results" in answer) return answer.results;
      throw receiveError(answer);
    },
    async [Symbol.asyncDispose]() {
      await workers?.closeStarted([]);
    },
  };
}
