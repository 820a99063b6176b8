import { itemAt } from "onnx-grad";
/** Gathers single items into batches. */
export interface Batcher<Item, Result> {
  /**
   * Waits for the item's batch and gives its result. An item whose signal aborts before its batch
   * starts takes no part.
   */
  submit(item: Item, signal?: AbortSignal): Promise<Result>;
  /** Items that wait. */
  readonly waiting: number;
}

/** How a {@link Batcher} gathers. */
export interface BatcherOptions<Item, Result> {
  /** Items of a batch. */
  readonly most: number;
  /** Milliseconds that the first item of a batch waits for others. */
  readonly wait: number;
  /**
   * Batches that are under way at most; one unless given. Further ones start only when they are
   * full: others could still join them.
   */
  readonly atOnce?: number | undefined;
  /** Works on a batch; a result for each item, in order. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly onBatch?: ((items: number) => void) | undefined;
}

interface Entry<Item, Result> {
  readonly item: Item;
  readonly signal: AbortSignal | undefined;
  readonly since: number;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/**
 * Opens a {@link Batcher}. A batch starts when it is full, or when its first item has waited long
 * enough.
 */
export function openBatcher<Item, Result>(options: BatcherOptions<Item, Result>): Batcher<Item, Result> {
  const { most, wait, atOnce = 1, run, onBatch } = options;
  const queue: Entry<Item, Result>[] = [];
  let running = 0;
  let timer: NodeJS.Timeout | undefined;

  function start(): void {
    clearTimeout(timer);
    timer = undefined;
    if (running >= atOnce || queue.length === 0) return;
    if (queue.length < most) {
      if (running > 0) return;
      const left = wait - (performance.now() - itemAt(queue, 0).since);
      if (left > 0) {
        timer = setTimeout(start, left);
        return;
      }
    }
    const batch = queue.splice(0, most).filter(({ signal, reject }) => {
      if (!signal?.aborted) return true;
      reject(signal.reason);
      return false;
    });
    if (batch.length === 0) {
      start();
      return;
    }
    running++;
    onBatch?.(batch.length);
    run(batch.map(({ item }) => item))
      .then(
        (results) => {
          for (const [at, { resolve, reject }] of batch.entries()) {
            const result = results[at];
            if (result === undefined) reject(new Error(`a batch of ${batch.length} has ${results.length} results`));
            else resolve(result);
          }
        },
        (error: unknown) => {
          for (const { reject } of batch) reject(error);
        },
      )
      .finally(() => {
        running--;
        start();
      });
  }

  return {
    submit(item, signal) {
      return new Promise((resolve, reject) => {
        queue.push({ item, signal, since: performance.now(), resolve, reject });
        if (queue.length >= most || timer === undefined) start();
      });
    },
    get waiting() {
      return queue.length;
    },
  };
}
