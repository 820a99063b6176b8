import { type ErrorCode, type ErrorKind, errorKinds } from "./error-codes.ts";

export type { ErrorCode } from "./error-codes.ts";

/** What was thrown, in words. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The code of a failed call to the system, such as `ENOENT`; undefined for other errors. */
export const systemCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

/** Which code a failed read has: `missing` where there is no such file or folder. */
export function readCode(cause: unknown, missing: ErrorCode, otherwise: ErrorCode): ErrorCode {
  const code = systemCode(cause);
  return code === "ENOENT" || code === "ENOTDIR" ? missing : otherwise;
}

/**
 * Why a file of the user's cannot be read: a PetalfaceError as it is, anything else in one line.
 *
 * @param why the reason; the error's code unless given
 */
export function cannotRead(
  name: string,
  cause: unknown,
  why: unknown = systemCode(cause) ?? messageOf(cause),
): PetalfaceError {
  if (cause instanceof PetalfaceError) return cause;
  const code = readCode(cause, "PETAL_DATA_MISSING", "PETAL_DATA_DAMAGED");
  return new PetalfaceError(code, `cannot read ${name}: ${why}`, { cause });
}

/**
 * An error that the user can fix. Programs decide by its code (docs/errors.md lists all of them);
 * its message says what is wrong, where, and what to do, in one line. The message names options as
 * the library does, in quotes: `'learningRate'`, `'loss=distil'`. The command line prints flags
 * instead.
 */
export class PetalfaceError extends Error {
  override name = "PetalfaceError";
  readonly code: ErrorCode;

  /**
   * @param code which kind of error it is
   * @param options.cause what was thrown, where this error explains another one
   */
  constructor(code: ErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
  }

  /** Exit code of a command that ends with this error: 1 failed, 2 wrong usage. */
  get exitCode(): 1 | 2 {
    const kind: ErrorKind = errorKinds[this.code];
    return kind.exitCode ?? 1;
  }
}
