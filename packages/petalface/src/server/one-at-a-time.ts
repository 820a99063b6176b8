/** Runs pieces of work one after the other, in the order in which they come. */
export type OneAtATime = <T>(work: () => Promise<T>) => Promise<T>;

/** Opens a {@link OneAtATime}. Work that fails does not hold up what comes after it. */
export function openOneAtATime(): OneAtATime {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}
