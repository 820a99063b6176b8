/** When the demo has to be done, in seconds since the process began. */
export interface Deadline {
  /** Whether work that is expected to take this many seconds still fits. */
  fits(seconds: number): boolean;
}

/**
 * A deadline `minutes` after the process began.
 *
 * @param minutes infinite where everything is wanted
 * @param now seconds since the process began; for tests
 */
export function deadlineAfter(minutes: number, now: () => number = () => performance.now() / 1000): Deadline {
  return { fits: (seconds) => now() + seconds <= 60 * minutes };
}

/**
 * Steps of a training after which its rate is known; the first one opens the engine and does not
 * count.
 */
const stepsToJudge = 4;

/**
 * Watches whether a training, and `after` seconds of other work behind it, end before the deadline.
 * The rate is that of the training's own steps. Only its first half is judged: what is half done
 * then ends, so that nothing is thrown away late.
 *
 * @param now seconds of any clock; for tests
 */
export function watchTraining(
  deadline: Deadline,
  steps: number,
  after: number,
  now: () => number = () => performance.now() / 1000,
): { /** False once the training does not fit. `step`: how many are done. */ fits(step: number): boolean } {
  let first: { readonly step: number; readonly seconds: number } | undefined;
  return {
    fits(step) {
      const seconds = now();
      first ??= { step, seconds };
      const done = step - first.step;
      if (done < stepsToJudge || step > steps / 2) return true;
      return deadline.fits(((seconds - first.seconds) / done) * (steps - step) + after);
    },
  };
}
