import { createRequire } from "node:module";
import { messageOf, PetalfaceError, systemCode } from "./errors.ts";

/** Threads that answer tasks. One that ends by itself is replaced. */
export interface Workers<Task, Answer> {
  /**
   * Throws what the task throws; a PetalfaceError (`PETAL_THREAD_ENDED`) where its thread ends
   * before it has answered.
   */
  run(task: Task): Promise<Answer>;
  /** Ends the threads, after the work in hand. */
  close(): Promise<void>;
  /**
   * As `close`, for threads that load onnxruntime. A thread that is stopped while it opens a
   * session takes the whole process along ("terminate called after throwing an instance of
   * 'Napi::Error'"), so each has to answer an empty task first: one for every thread reaches all
   * that have nothing else to do, and is answered once the thread has started. Never throws for
   * what a task throws.
   */
  closeStarted(empty: Task): Promise<void>;
}

/** How many threads, and what they begin with. */
export interface WorkersOptions {
  readonly threads: number;
  /** All threads at once, or one after the other as tasks come. */
  readonly start: "all" | "asked";
  /** What each thread gets when it starts. */
  readonly workerData: unknown;
}

/**
 * Starts threads that run `worker`, the file of that name next to the caller's: source in the
 * repository, built in the package.
 *
 * @param module `import.meta.url` of the caller
 */
export function openWorkers<Task, Answer>(
  module: string,
  { threads, start, workerData }: WorkersOptions,
): Workers<Task, Answer> {
  const worker = new URL(module.endsWith(".ts") ? "./worker.ts" : "./worker.js", module);
  // Loaded by who starts threads only: most commands start none.
  const { Piscina } = createRequire(import.meta.url)("piscina") as typeof import("piscina");
  const piscina = new Piscina<Task, Answer>({
    filename: worker.href,
    minThreads: start === "all" ? threads : 1,
    maxThreads: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
    workerData,
    execArgv: [],
  });
  // One that ends without work is replaced, and is no reason to end the process.
  piscina.on("error", () => undefined);
  const fatal = new WeakSet<Error>();
  const watched = new WeakSet<object>();
  const waiting = new Set<(error: Error) => void>();
  let isClosing = false;
  piscina.on("workerCreate", () => {
    for (const thread of piscina.threads)
      if (!watched.has(thread)) {
        watched.add(thread);
        thread.once("error", (error) => fatal.add(error));
      }
  });
  piscina.on("workerDestroy", () => setImmediate(refuseLeft));
  const ended = (reason: string): PetalfaceError =>
    new PetalfaceError("PETAL_THREAD_ENDED", `a thread of the process has ended (${reason})`);
  /** Refuses tasks that no thread will take: none is replaced that ends while it starts. */
  function refuseLeft(): void {
    if (isClosing || piscina.threads.length > 0) return;
    for (const reject of waiting) reject(ended("it cannot be started again"));
  }
  const run = (task: Task): Promise<Answer> =>
    new Promise<Answer>((resolve, reject) => {
      waiting.add(reject);
      piscina
        .run(task)
        .then(resolve, (error: unknown) => reject(isEnd(error, fatal) ? ended(messageOf(error)) : error))
        .finally(() => waiting.delete(reject));
    });
  const close = async (): Promise<void> => {
    isClosing = true;
    // Without a thread nothing that is left will be answered.
    await (piscina.threads.length === 0 ? piscina.destroy() : piscina.close());
  };
  return {
    run,
    close,
    async closeStarted(empty) {
      await Promise.allSettled(Array.from({ length: threads }, () => run(empty)));
      await close();
    },
  };
}

/** Whether a task failed because its thread ended. */
const isEnd = (error: unknown, fatal: WeakSet<Error>): boolean =>
  error instanceof Error &&
  (fatal.has(error) ||
    systemCode(error)?.startsWith("ERR_WORKER_") === true ||
    error.message.startsWith("worker exited with code"));
