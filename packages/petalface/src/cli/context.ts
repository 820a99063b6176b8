import { createProgress, type Progress } from "./progress.ts";

/** What every command gets besides its own arguments. */
export interface CliContext {
  /** Aborted by the first Ctrl-C (SIGINT, SIGTERM). Long work stops cleanly, or throws the signal's reason. */
  readonly signal: AbortSignal;
  /** `--json` was given. */
  readonly json: boolean;
  /** `--debug` was given. */
  readonly debug: boolean;
  /** Prints the outcome of the command: `document` as JSON under `--json`, else `text`. Called once, at the end. */
  result(document: unknown, text: string): void;
  /** Prints a line for the human on stdout; nothing under `--json`. */
  print(line: string): void;
  /** Prints a line on stderr; nothing under `--quiet`. */
  note(line: string): void;
  /** A progress line on stderr for `total` things, `from` of which an earlier process did; silent under `--quiet`. */
  progress(label: string, total: number, unit: string, from?: number): Progress;
}

/** Options that every command takes. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

/**
 * Builds a context that writes to the given streams.
 * `options` is read at each call, because commander knows the options only after the context was handed out.
 */
export function createContext(
  options: () => CommonOptions,
  signal: AbortSignal,
  stdout: NodeJS.WriteStream,
  stderr: NodeJS.WriteStream,
): CliContext {
  return {
    signal,
    get json() {
      return options().json === true;
    },
    get debug() {
      return options().debug === true;
    },
    result(document, text) {
      stdout.write(`${options().json ? JSON.stringify(document, undefined, 2) : text}\n`);
    },
    print(line) {
      if (!options().json) stdout.write(`${line}\n`);
    },
    note(line) {
      if (!options().quiet) stderr.write(`${stderr.isTTY ? "\r\u001b[K" : ""}${line}\n`);
    },
    progress(label, total, unit, from = 0) {
      return createProgress({ label, total, unit, from, stream: options().quiet ? undefined : stderr });
    },
  };
}
