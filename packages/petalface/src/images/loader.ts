import { PetalfaceError } from "../errors.ts";
import { receiveError } from "../thread.ts";
import { openWorkers } from "../workers.ts";
import { createPreparer, type Preparer, type WorkerRequest } from "./prepare.ts";
import type { ImageRequest, ImageSource } from "./types.ts";
import type { WorkerAnswer } from "./worker.ts";

/** How faces are prepared. */
export interface LoaderOptions {
  /** Side in pixels of the network's input. */
  readonly size: number;
  /** Worker threads; 0 prepares in the calling thread. */
  readonly threads: number;
  /**
   * Bytes of memory for decoded faces, shared by all threads; what came first stays. Default 0:
   * none are kept.
   */
  readonly cacheBytes?: number;
  /**
   * How many faces there are: no more memory than they need is reserved, as a process with much of
   * it may be refused a child process. The calling thread prepares the first of a few: it is done
   * before a thread has started. Default: any number.
   */
  readonly faces?: number;
  /**
   * Whether all faces are synthetic ones. The calling thread then draws the first of any number.
   * Default: false.
   */
  readonly drawn?: boolean;
}

/** Prepares batches of faces off the main thread. */
export interface Loader extends AsyncDisposable {
  readonly size: number;
  /**
   * Prepares faces: 8-bit RGB planes, `[n, 3, size, size]`, in the order of the requests. Several
   * calls may run at once; those beyond what keeps the threads busy wait.
   *
   * @param onBad called with the position of each face that cannot be read, in order, before `load`
   * returns; that face's planes are zeros. Without it the whole `load` fails.
   * @throws PetalfaceError naming the file that cannot be used
   */
  load(
    requests: readonly ImageRequest[],
    onBad?: (index: number, error: PetalfaceError) => void,
  ): Promise<Uint8Array<ArrayBuffer>>;
  /** Ends the threads, after the work in hand. */
  close(): Promise<void>;
}

/**
 * More faces than this are not sent at once, so that a huge batch is spread evenly and needs little
 * memory on its way.
 */
const mostPerTask = 32;
const tasksPerThread = 2;
/** So many faces are prepared in the calling thread, until that takes longer than a thread. */
const few = 64;
/**
 * Milliseconds that the calling thread prepares faces for, at most: a thread takes half of this to
 * start.
 */
const mostHere = 300;

/** Opens a {@link Loader}. Close it, or it keeps the process alive. */
export function openLoader(options: LoaderOptions): Loader {
  const { size, threads, cacheBytes = 0, faces = Number.POSITIVE_INFINITY } = options;
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`an image side of ${size} pixels`);
  if (!Number.isInteger(threads) || threads < 0) throw new RangeError(`${threads} loader threads`);
  const bytes = size * size * 3;
  const slots = Math.min(Math.floor(cacheBytes / bytes), faces);
  const cache = slots > 0 ? new SharedArrayBuffer(slots * bytes) : undefined;
  const assignSlot = createSlots(slots);
  const own = (): Runner => ownThread(createPreparer({ size, cache }));
  const others = (): Runner => pool(threads, { size, cache });
  const begins = options.drawn === true || faces <= few;
  const run = threads === 0 ? own() : begins ? beginHere(own(), others, { bytes, files: faces <= few }) : others();
  // The first thread alone until it has answered: the others start where there is more work, and
  // not while the model is being loaded.
  let answered = false;
  const enter = createGate(() => (answered ? Math.max(threads, 1) * tasksPerThread : 1));
  let closed = false;

  async function load(
    requests: readonly ImageRequest[],
    onBad?: (index: number, error: PetalfaceError) => void,
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (closed) throw new Error("the loader is closed");
    const out = new Uint8Array(requests.length * bytes);
    const share = Math.min(Math.max(Math.ceil(requests.length / Math.max(threads, 1)), 1), mostPerTask);
    const failures: { index: number; error: PetalfaceError }[] = [];
    const tasks: Promise<void>[] = [];
    for (let start = 0; start < requests.length; start += share) {
      tasks.push(
        enter(async () => {
          const part = requests.slice(start, start + share).map(assignSlot.prepare);
          const { planes, bad } = await run.task(part);
          answered = true;
          const failed = new Set(bad.map(({ index }) => index));
          part.forEach((request, index) => {
            if (!failed.has(index)) assignSlot.filled(request);
          });
          out.set(planes, start * bytes);
          for (const { index, error } of bad) failures.push({ index: start + index, error });
        }),
      );
    }
    // All parts end before an error is reported, so that no part of this batch still runs when the
    // caller continues.
    for (const result of await Promise.allSettled(tasks)) {
      if (result.status === "rejected") throw result.reason;
    }
    failures.sort((one, other) => one.index - other.index);
    for (const { index, error } of failures) {
      if (onBad === undefined) throw error;
      onBad(index, error);
    }
    return out;
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    await run.close();
  }

  return { size, load, close, [Symbol.asyncDispose]: close };
}

interface Runner {
  task(part: readonly WorkerRequest[]): Promise<{
    readonly planes: Uint8Array<ArrayBuffer>;
    readonly bad: readonly { readonly index: number; readonly error: PetalfaceError }[];
  }>;
  close(): Promise<void>;
}

function ownThread(prepare: Preparer): Runner {
  return {
    async task(part) {
      const { planes, bad } = await prepare.prepare(part);
      return { planes, bad: bad.map(({ index, error }) => ({ index, error: expectedError(error) })) };
    },
    close: async () => prepare.close(),
  };
}

/**
 * Milliseconds that this thread has worked. In Node 20 and 22, which lack that, milliseconds that
 * have passed.
 */
function worked(): number {
  const usage = process.threadCpuUsage?.();
  return usage === undefined ? performance.now() : (usage.user + usage.system) / 1000;
}

/** Where the calling thread begins. */
interface Beginning {
  /** Bytes of a face's planes. */
  readonly bytes: number;
  /** Whether it prepares pictures too, or draws synthetic faces only. */
  readonly files: boolean;
}

/** Prepares the first faces itself, and leaves the others to threads. */
function beginHere(own: Runner, openThreads: () => Runner, { bytes, files }: Beginning): Runner {
  let left = mostHere;
  let threads: Runner | undefined;
  return {
    async task(part) {
      const planes = new Uint8Array(part.length * bytes);
      const bad: { index: number; error: PetalfaceError }[] = [];
      const prepare = async (runner: Runner, start: number, end: number): Promise<void> => {
        const answer = await runner.task(part.slice(start, end));
        planes.set(answer.planes, start * bytes);
        for (const { index, error } of answer.bad) bad.push({ index: start + index, error });
      };
      let done = 0;
      while (left > 0 && done < part.length) {
        const isDrawn = part[done]?.source.kind === "synthetic";
        if (!isDrawn && !files) break;
        // A picture is decoded by a thread of libuv, for which this one waits.
        const clock = isDrawn ? worked : () => performance.now();
        const began = clock();
        await prepare(own, done, done + 1);
        done++;
        left -= clock() - began;
      }
      if (done < part.length) {
        threads ??= openThreads();
        await prepare(threads, done, part.length);
      }
      return { planes, bad };
    },
    async close() {
      await Promise.all([own.close(), threads?.close()]);
    },
  };
}

function expectedError(error: unknown): PetalfaceError {
  if (error instanceof PetalfaceError) return error;
  throw error;
}

function pool(threads: number, workerData: { size: number; cache: SharedArrayBuffer | undefined }): Runner {
  const how = { threads, start: "asked", workerData } as const;
  const workers = openWorkers<readonly WorkerRequest[], WorkerAnswer>(import.meta.url, how);
  return {
    async task(part) {
      const { planes, bad } = await workers.run(part);
      return { planes, bad: bad.map(({ index, ...sent }) => ({ index, error: expectedError(receiveError(sent)) })) };
    },
    close: workers.close,
  };
}

/** Gives each face a place in the cache while there is room. */
function createSlots(slots: number) {
  const known = new Map<string, { readonly slot: number; filled: boolean }>();
  return {
    prepare(request: ImageRequest): WorkerRequest {
      const key = keyOf(request.source);
      let place = known.get(key);
      if (place === undefined) {
        if (known.size >= slots) return request;
        place = { slot: known.size, filled: false };
        known.set(key, place);
      }
      return { ...request, slot: place.slot, cached: place.filled };
    },
    filled(request: WorkerRequest): void {
      const place = known.get(keyOf(request.source));
      if (place !== undefined) place.filled = true;
    },
  };
}

function keyOf(source: ImageSource): string {
  switch (source.kind) {
    case "file":
      return source.path;
    case "bytes":
    case "record":
      return `${source.offset}:${source.path}`;
    case "memory":
      return `:memory/${source.number}`;
    case "synthetic":
      return `:${source.seed}/${source.person}/${source.image}`;
  }
}

/** Lets at most `limit()` tasks run at once; the others wait in order. */
function createGate(limit: () => number) {
  const waiting: (() => void)[] = [];
  let running = 0;
  const admit = (): void => {
    while (running < limit()) {
      const next = waiting.shift();
      if (next === undefined) return;
      running++;
      next();
    }
  };
  return async (task: () => Promise<void>): Promise<void> => {
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      admit();
    });
    try {
      await task();
    } finally {
      running--;
      admit();
    }
  };
}
