import { CommanderError } from "commander";
import { PetalfaceError } from "../errors.ts";
import { withFlags } from "./flags.ts";

/** How a command ended. */
export interface Outcome {
  /** 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
  readonly exitCode: number;
  /** For stderr, without the leading "petalface: "; undefined: nothing to say. */
  readonly message?: string;
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
    return { exitCode: 2, message: `${text}; see \`petalface ${command ? `${command} ` : ""}--help\`` };
  }
  if (!(error instanceof Error)) return { exitCode: 1, message: internal(String(error)) };
  if (signal.aborted && (error === signal.reason || error.name === "AbortError"))
    return { exitCode: 130, message: "interrupted" };
  if (error instanceof PetalfaceError) return { exitCode: error.exitCode, message: withFlags(oneLine(error.message)) };
  // By name: the class may come from another copy of the package.
  if (error.name === "OnnxGradError" || isSystemError(error)) return { exitCode: 1, message: oneLine(error.message) };
  return { exitCode: 1, message: internal(`${error.name}: ${error.message}`) };
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
