import type { EngineKeeper } from "../runtime/index.ts";

/** Whether the engines of a server work. */
export interface Health {
  /** For one engine. */
  keeper(): EngineKeeper;
  /** False while an engine is being started again, and after one has failed. */
  readonly isReady: boolean;
  /** Resolves with the reason once an engine is not started again. */
  readonly failed: Promise<Error>;
}

/**
 * Opens a {@link Health}.
 *
 * @param note takes one line on each engine that is lost, and on its return
 */
export function openHealth(note: (line: string) => void): Health {
  const missing = new Set<EngineKeeper>();
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  return {
    failed,
    keeper() {
      const own: EngineKeeper = {
        lost(reason) {
          missing.add(own);
          note(`${reason}; it is being started again`);
        },
        back() {
          missing.delete(own);
          note("the engine's thread is back");
        },
        failed: fail,
      };
      return own;
    },
    get isReady() {
      return missing.size === 0;
    },
  };
}
