/**
 * Reads ahead: up to `depth` items are in preparation while the consumer works on one. Order is
 * kept. An error comes where its item would have come, and ends the reading; so does a consumer
 * that stops early, in which case the source's `return` runs.
 *
 * @param source an async iterable, or an iterable of promises, which are then started `depth` at a
 * time
 * @param depth at least 1
 */
export async function* prefetch<T>(
  source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
  depth: number,
): AsyncGenerator<T, void, undefined> {
  if (!Number.isInteger(depth) || depth < 1) throw new RangeError(`prefetch needs a depth of at least 1, not ${depth}`);
  const reader = openReader(source);
  const ahead: Promise<IteratorResult<T, unknown>>[] = [];
  const pull = () => {
    const item = reader.next();
    // It may fail before anything waits for it; a later caller still gets the error.
    item.catch(() => {});
    ahead.push(item);
  };
  try {
    while (ahead.length < depth) pull();
    for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) {
      const item = await next;
      if (item.done) return;
      pull();
      yield item.value;
    }
  } finally {
    await reader.close();
    await Promise.allSettled(ahead);
  }
}

interface Reader<T> {
  next(): Promise<IteratorResult<T, unknown>>;
  close(): Promise<void>;
}

function openReader<T>(source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>): Reader<T> {
  if (Symbol.asyncIterator in source) {
    const iterator = source[Symbol.asyncIterator]();
    return {
      next: async () => iterator.next(),
      close: async () => {
        await iterator.return?.();
      },
    };
  }
  const iterator = source[Symbol.iterator]();
  let failed = false;
  return {
    async next() {
      if (failed) return { done: true, value: undefined };
      let item: IteratorResult<T | PromiseLike<T>>;
      try {
        item = iterator.next();
      } catch (error) {
        failed = true;
        throw error;
      }
      return item.done ? item : { done: false, value: await item.value };
    },
    async close() {
      iterator.return?.();
    },
  };
}
