import { CommanderError } from "commander";
import { type ErrorCode, PetalfaceError } from "../errors.ts";
import { withFlags } from "./flags.ts";

/** How a command ended. */
export interface Outcome {
  /** 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
  readonly exitCode: number;
  /** What there is to say; undefined: nothing. */
  readonly failure?: Failure;
}

/**
 * An error as the command line reports it: under `--json` the document `{"error": Failure}` on
 * stdout.
 */
export interface Failure {
  readonly code: ErrorCode;
  /** One line. On stderr it follows "petalface: ". */
  readonly message: string;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ").trim();
}

/**
 * An error of the operating system (a missing file, a full disk): its message is good enough for
 * the user.
 */
function isSystemError(error: Error): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return typeof code === "string" && typeof syscall === "string";
}

/**
 * What to tell the user about anything that a command threw. `command` is the name of the command
 * that ran, for the hint after wrong usage; undefined before one was found.
 */
export function describeFailure(error: unknown, signal: AbortSignal, command: string | undefined): Outcome {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { exitCode: 0 };
    // Commander's own code for "no command given": it has printed the whole help already.
    if (error.code === "commander.help") return { exitCode: 2 };
    const text = oneLine(error.message.replace(/^error: /, ""));
    const message = `${text}; see \`petalface ${command ? `${command} ` : ""}--help\``;
    return { exitCode: 2, failure: { code: "PETAL_OPTION_INVALID", message } };
  }
  const failed = (code: ErrorCode, message: string): Outcome => ({ exitCode: 1, failure: { code, message } });
  if (!(error instanceof Error)) return failed("PETAL_INTERNAL", internal(String(error)));
  if (signal.aborted && (error === signal.reason || error.name === "AbortError"))
    return { exitCode: 130, failure: { code: "PETAL_INTERRUPTED", message: "interrupted" } };
  if (error instanceof PetalfaceError) {
    const { code, exitCode } = error;
    return { exitCode, failure: { code, message: withFlags(oneLine(error.message)) } };
  }
  // By name: the class may come from another copy of the package.
  if (error.name === "OnnxGradError") return failed("PETAL_MODEL_UNSUPPORTED", oneLine(error.message));
  if (isSystemError(error)) return failed("PETAL_SYSTEM_FAILED", oneLine(error.message));
  return failed("PETAL_INTERNAL", internal(`${error.name}: ${error.message}`));
}

function internal(text: string): string {
  return `internal error (${oneLine(text)}); run again with --debug for details, and please report it`;
}

/** The stack of an error and of its causes, for `--debug`. */
export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
