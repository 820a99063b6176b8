/**
 * An error that the user can fix. The message says what is wrong, where, and what to do; the
 * command line prints it as one line.
 */
export class PetalfaceError extends Error {
  override name = "PetalfaceError";
  /** Exit code: 1 failed, 2 wrong usage. */
  readonly exitCode: 1 | 2;

  constructor(message: string, options: { readonly exitCode?: 1 | 2; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
  }
}
