import { Piscina } from "piscina";
import { type ErrorCode, messageOf, PetalfaceError } from "./errors.ts";

/** Threads that answer tasks. */
export interface Workers<Task, Answer> {
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
  const piscina = new Piscina<Task, Answer>({
    filename: worker.href,
    minThreads: start === "all" ? threads : 1,
    maxThreads: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
    workerData,
    execArgv: [],
  });
  return {
    run: (task) => piscina.run(task),
    close: () => piscina.close(),
    async closeStarted(empty) {
      await Promise.allSettled(Array.from({ length: threads }, () => piscina.run(empty)));
      await piscina.close();
    },
  };
}

/** An error as a thread sends it: as text, since a class does not survive the way. */
export interface SentError {
  readonly message: string;
  /** The code of a PetalfaceError; undefined for others. */
  readonly code: ErrorCode | undefined;
}

/** What a thread sends of an error. */
export const sendError = (error: unknown): SentError => ({
  message: messageOf(error),
  code: error instanceof PetalfaceError ? error.code : undefined,
});

/** The error that a thread has sent. */
export const receiveError = ({ message, code }: SentError): Error =>
  code === undefined ? new Error(message) : new PetalfaceError(code, message);
