/**
 * Measures how long the engine waits for images. The first batch, which nothing could prepare
 * ahead, is the beginning of time.
 */
export interface WaitingClock {
  /** The engine is free: the next batch is asked for. */
  asked(): void;
  /** The next batch is there. */
  arrived(): void;
  /** Milliseconds that the last batch was waited for; undefined for the first. */
  last(): number | undefined;
  /** Share of the time so far that was waited; undefined before the second batch. */
  share(): number | undefined;
}

/** Opens a {@link WaitingClock}; `now` in milliseconds. */
export function waitingClock(now: () => number = () => performance.now()): WaitingClock {
  let begin: number | undefined;
  let free: number | undefined;
  let waited = 0;
  let last: number | undefined;
  let end = 0;
  return {
    asked() {
      free = now();
    },
    arrived() {
      end = now();
      begin ??= end;
      last = free === undefined ? undefined : end - free;
      waited += last ?? 0;
    },
    last: () => last,
    share: () => (begin === undefined || end <= begin ? undefined : waited / (end - begin)),
  };
}
