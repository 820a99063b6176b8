import type { Surroundings } from "../api/surroundings.ts";
import { withFlags } from "./flags.ts";
import { fitLines } from "./lines.ts";
import { createProgress, type ProgressStream } from "./progress.ts";

/** Where a command writes. */
export interface Terminal {
  readonly stdout: ProgressStream;
  readonly stderr: ProgressStream;
}

/**
 * What every command gets besides its own arguments. Its signal is aborted by the first Ctrl-C
 * (SIGINT, SIGTERM).
 */
export interface CliContext extends Surroundings {
  /** `--json` was given. */
  readonly json: boolean;
  /** `--debug` was given. */
  readonly debug: boolean;
  /** The exit code of a command that ends without an error; 0 unless the command sets it. */
  exitCode: number;
  /**
   * Set by a command that runs until it is stopped: that is then its regular end, with
   * {@link exitCode}, not 130.
   */
  isService: boolean;
  /**
   * Prints the outcome of the command: `document` as JSON under `--json`, else `text`. Called once,
   * at the end. Long lines of the text are broken, unless it is `exact`: what other programs read.
   */
  result(document: unknown, text: string, exact?: boolean): void;
  /** Whether {@link CliContext.result} was called. */
  readonly answered: boolean;
  /**
   * Prints a line on stdout; nothing under `--json`. Long lines are broken, unless it is `exact`:
   * what other programs read.
   */
  print(line: string, exact?: boolean): void;
}

/** Options that every command takes. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
  readonly force?: boolean;
}

/**
 * Builds a context that writes to the given streams.
 * `options` is read at each call, because commander knows the options only after the context was
 * handed out.
 */
export function createContext(
  options: () => CommonOptions,
  signal: AbortSignal,
  { stdout, stderr }: Terminal,
): CliContext {
  const said = new Set<string>();
  let answered = false;
  const note = (text: string): void => {
    const line = withFlags(text);
    // In a file a note stays one line, as errors do: so it can be searched for.
    if (!options().quiet) stderr.write(stderr.isTTY ? `\r\u001b[K${fitLines(line)}\n` : `${line}\n`);
  };
  return {
    signal,
    exitCode: 0,
    isService: false,
    get json() {
      return options().json === true;
    },
    get debug() {
      return options().debug === true;
    },
    get force() {
      return options().force === true;
    },
    get answered() {
      return answered;
    },
    result(document, text, exact = false) {
      answered = true;
      const shown = exact ? text : fitLines(withFlags(text));
      stdout.write(`${options().json ? JSON.stringify(document, undefined, 2) : shown}\n`);
    },
    print(line, exact = false) {
      if (!options().json) stdout.write(`${exact ? line : fitLines(withFlags(line))}\n`);
    },
    note,
    noteOnce(line) {
      if (!said.has(line)) note(line);
      said.add(line);
    },
    progress(label, total, unit, from = 0) {
      return createProgress({ label, total, unit, from, stream: options().quiet ? undefined : stderr });
    },
  };
}
