import { parentPort } from "node:worker_threads";
import { answerTasks, type SentError, sendError } from "../thread.ts";
import { createPreparer, type PrepareOptions, type Preparer, type WorkerRequest } from "./prepare.ts";

/**
 * A part of a batch, and how its loader prepares faces. Undefined: that loader is closed, and the
 * next task may be another one's.
 */
export type WorkerTask = (PrepareOptions & { readonly requests: readonly WorkerRequest[] }) | undefined;

/** What a worker answers. */
export interface WorkerAnswer {
  readonly planes: Uint8Array<ArrayBuffer>;
  readonly bad: readonly (SentError & { readonly index: number })[];
}

let preparer: Preparer | undefined;
let decoder: Promise<void> | undefined;

/**
 * Loads sharp, which takes a third of the time that a thread needs to start. Faces are small: the
 * threads are the workers themselves, and no image is met twice soon enough for libvips' cache.
 */
async function loadDecoder(): Promise<void> {
  const { default: sharp } = await import("sharp");
  sharp.concurrency(1);
  sharp.cache(false);
}

async function work(task: WorkerTask): Promise<WorkerAnswer> {
  if (task === undefined) {
    preparer?.close();
    preparer = undefined;
    return { planes: new Uint8Array(0), bad: [] };
  }
  const { requests, ...options } = task;
  // Synthetic faces are drawn, not decoded.
  if (requests.some(({ source }) => source.kind !== "synthetic")) {
    decoder ??= loadDecoder();
    await decoder;
  }
  preparer ??= createPreparer(options);
  const { planes, bad } = await preparer.prepare(requests);
  return { planes, bad: bad.map(({ index, error }) => ({ index, ...sendError(error) })) };
}

if (parentPort !== null) answerTasks<WorkerTask, WorkerAnswer>(parentPort, work, ({ planes }) => [planes.buffer]);
