import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { messageOf, PetalfaceError, systemCode } from "./errors.ts";

/**
 * Starts another program, as Node's `spawn`. That reports a missing program by the event "error",
 * but throws where the system has no memory (ENOMEM), the arguments are too long (E2BIG), or a path
 * is none: both are the same error here ({@link cannotStart}).
 *
 * @param what messages call the program
 * @throws PetalfaceError where it cannot be started and `spawn` throws
 */
export function startProgram(
  what: string,
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  try {
    return spawn(command, args, options);
  } catch (cause) {
    throw cannotStart(what, cause);
  }
}

/** The error of a program that did not start, in one line. */
export function cannotStart(what: string, cause: unknown): PetalfaceError {
  const code = systemCode(cause);
  const isMissing = code === "ENOENT" || code === "EACCES";
  const [reason = ""] = messageOf(cause).split("\n");
  return new PetalfaceError(
    isMissing ? "PETAL_PROGRAM_MISSING" : "PETAL_SYSTEM_FAILED",
    `cannot start ${what}: ${reason}`,
    { cause },
  );
}
