/** How far long work is. */
export interface Progress {
  /**
   * `done` of the total are done; `note` says more, such as the loss. Cheap: call it as often as
   * needed.
   */
  update(done: number, note?: string): void;
  /** The work has ended. */
  close(): void;
}

/**
 * What surrounds work that takes long: how it is stopped, and who hears of it. The command line's
 * context is one of these.
 */
export interface Surroundings {
  /** Long work stops cleanly when it aborts, or throws its reason. */
  readonly signal: AbortSignal;
  /** Whether files may be replaced that petalface did not write. */
  readonly force: boolean;
  /** One line for people. */
  note(line: string): void;
  /** As `note`, but a line that was said already is not said again. */
  noteOnce(line: string): void;
  /** Begins to say how far work on `total` things is, `from` of which an earlier process did. */
  progress(label: string, total: number, unit: string, from?: number): Progress;
}

/** How far a call of the library is. */
export interface ProgressEvent {
  /** What is being done: "embedding", "training", .... */
  readonly task: string;
  readonly done: number;
  /** How many things there are to do; 0 where it is unknown. */
  readonly total: number;
  /** Plural of what is counted: "faces". */
  readonly unit: string;
  /** More on it, such as the loss. */
  readonly detail?: string | undefined;
}

/** What every call of the library takes in addition to its own options. */
export interface CallOptions {
  /**
   * Stops the call: it throws the signal's reason. Training ends after its step with a checkpoint
   * instead.
   */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ProgressEvent) => void) | undefined;
  /**
   * Gets each line that the command line would print on stderr: what was assumed, what was left
   * out.
   */
  readonly onNote?: ((line: string) => void) | undefined;
  /** Replaces files that petalface did not write; false unless given. */
  readonly force?: boolean | undefined;
}

/** The surroundings that a call's options make. */
export function surroundingsOf({ signal, onProgress, onNote, force = false }: CallOptions): Surroundings {
  const said = new Set<string>();
  return {
    signal: signal ?? new AbortController().signal,
    force,
    note: (line) => onNote?.(line),
    noteOnce(line) {
      if (!said.has(line)) onNote?.(line);
      said.add(line);
    },
    progress: (task, total, unit) => ({
      update: (done, detail) => onProgress?.({ task, done, total, unit, ...(detail !== undefined && { detail }) }),
      close: () => undefined,
    }),
  };
}
