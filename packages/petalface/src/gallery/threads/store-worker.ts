import { parentPort, type Transferable, workerData } from "node:worker_threads";
import { answerTasks } from "../../thread.ts";
import { type FileOptions, openFile } from "../sqlite/open.ts";
import type { GalleryStore } from "../store.ts";

/** What a gallery's thread gets when it starts. */
export interface StoreThread extends FileOptions {
  readonly path: string;
}

/** What a gallery's thread can be asked for, besides opening and closing its file. */
export type StoreMethod =
  | ("record" | "version" | "people" | "count" | "names" | "ids" | "faces" | "vectors" | "read" | "codes" | "crop")
  | ("addAll" | "remove" | "removeFaces" | "rename");

/** A task: a method with its arguments, which are copied. `open` is answered with the settings. */
export type StoreTask =
  | { readonly method: "open" | "close" }
  | { readonly method: StoreMethod; readonly args: readonly unknown[] };

const { path, ...options } = workerData as StoreThread;
let store: GalleryStore | undefined;

async function work(task: StoreTask): Promise<unknown> {
  if (!("args" in task)) {
    if (task.method === "close") return await store?.close();
    store = await openFile(path, options);
    return store.settings;
  }
  if (store === undefined) throw new Error("this thread has no gallery");
  const answer: unknown = await Reflect.apply(store[task.method], store, task.args);
  return answer;
}

/** Memory that goes with an answer: that of embeddings, of which there may be many. */
function movedWith(answer: unknown): Transferable[] {
  if (typeof answer !== "object" || answer === null || !("vectors" in answer)) return [];
  const arrays = Object.values(answer).filter((value) => ArrayBuffer.isView(value));
  return arrays.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []));
}

if (parentPort !== null) answerTasks(parentPort, work, movedWith);
