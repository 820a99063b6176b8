import { prepareThreads } from "../../runtime/index.ts";
import { openWorkers } from "../../workers.ts";
import { Problem } from "../problem.ts";
import type { PhotoFaces, PhotoJob, PhotoOptions, PhotoResult } from "./read.ts";

/** Threads that find the faces of photos. */
export interface PhotoPool extends AsyncDisposable {
  /**
   * Throws a {@link Problem} where the photo cannot be used. A photo whose signal aborts before a
   * thread has taken it is not worked on.
   */
  read(job: PhotoJob, signal: AbortSignal): Promise<PhotoFaces>;
  /** Resolves once a thread has opened its models. Throws what keeps it from that. */
  ready(): Promise<void>;
}

/** Opens a {@link PhotoPool} of so many threads. */
export function openPhotoPool(options: PhotoOptions, threads: number): PhotoPool {
  prepareThreads();
  const how = { threads, start: "all", workerData: options } as const;
  const pool = openWorkers<PhotoJob | undefined, PhotoResult | undefined>(import.meta.url, how);
  // Waiting here and not in the pool: it ends a thread whose task is aborted, with its models.
  const waiting: (() => void)[] = [];
  let free = threads;
  const enter = (signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    if (free > 0) {
      free--;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = (): void => {
        waiting.splice(waiting.indexOf(go), 1);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      waiting.push(go);
    });
  };
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  };
  return {
    async read(job, signal) {
      await enter(signal);
      let result: PhotoResult | undefined;
      try {
        result = await pool.run(job);
      } finally {
        leave();
      }
      if (result === undefined) throw new Error("a thread gave no answer");
      if ("refused" in result)
        throw new Problem(result.refused === "too-large" ? 413 : 422, result.refused, result.reason);
      return result;
    },
    async ready() {
      await pool.run(undefined);
    },
    [Symbol.asyncDispose]: () => pool.closeStarted(undefined),
  };
}
