import { Piscina } from "piscina";
import sharp from "sharp";
import { type SentError, sendError } from "../thread.ts";
import { type Job, type JobResult, openWork, type WorkOptions } from "./work.ts";

/** What a worker answers: results, or the error that ends the run. */
export type WorkerAnswer = { readonly results: readonly JobResult[] } | SentError;

// The threads are the workers themselves, and no photo is met twice soon enough for libvips' cache.
sharp.concurrency(1);
sharp.cache(false);

// Awaited with the first jobs: what cannot be opened is their error, and ends the run in one line.
const options: WorkOptions = Piscina.workerData;
const opened = openWork(options).then(
  (work) => ({ work }),
  (error: unknown) => ({ error }),
);

/** Entry point of the pool: aligns a few photos. */
export default async function run(jobs: readonly Job[]): Promise<WorkerAnswer> {
  try {
    const found = await opened;
    if ("error" in found) throw found.error;
    const results: JobResult[] = [];
    for (const job of jobs) results.push(await found.work.run(job));
    return { results };
  } catch (error) {
    return sendError(error);
  }
}
