/** Runs pieces of work one after the other, in the order in which they come. */
export type OneAtATime = <T>(work: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

/**
 * Opens a {@link OneAtATime}. Work that fails does not hold up what comes after it. Work whose
 * signal aborts before its turn is not begun, and is refused at once.
 */
export function openOneAtATime(): OneAtATime {
  let last: Promise<unknown> = Promise.resolve();
  return (work, signal) => {
    if (signal?.aborted) return Promise.reject(signal.reason);
    let leave = (): void => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal?.reason);
    });
    signal?.addEventListener("abort", leave);
    const turn = last.then(() => {
      signal?.removeEventListener("abort", leave);
      signal?.throwIfAborted();
      return work();
    });
    last = turn.catch(() => undefined);
    return Promise.race([turn, left]);
  };
}
