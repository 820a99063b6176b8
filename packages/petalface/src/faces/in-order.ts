/**
 * Runs tasks several at a time and gives their results in order. At most `depth` are under way, so
 * that a slow one does not let the others pile up. An error of a task comes where its result would
 * have come; what is under way then is waited for.
 */
export async function* inOrder<T>(tasks: AsyncIterable<() => Promise<T>>, depth: number): AsyncGenerator<T> {
  const running: Promise<T>[] = [];
  async function* next(): AsyncGenerator<T> {
    const first = running.shift();
    if (first !== undefined) yield await first;
  }
  try {
    for await (const task of tasks) {
      const result = task();
      // Whoever waits for it later still gets the error.
      result.catch(() => {});
      running.push(result);
      if (running.length >= depth) yield* next();
    }
    while (running.length > 0) yield* next();
  } finally {
    await Promise.allSettled(running);
  }
}
