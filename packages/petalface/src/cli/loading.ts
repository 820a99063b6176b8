import type { Terminal } from "./context.ts";
import type { ProgressStream } from "./progress.ts";

/** Options that print at once, or ask for silence. */
const without = /^(-h|--help|-V|--version|--quiet)$/;

/** A terminal that shows a line until something else is written to it. */
export interface LoadingTerminal extends Terminal {
  /** Takes the line away, if it is still there. */
  clear(): void;
}

/**
 * Shows on a terminal that a command is being loaded, before its modules, its model and the engine
 * are: that takes seconds on a slow machine. Files and pipes get no such line.
 *
 * @param names of commands
 */
export function showLoading(
  { stdout, stderr }: Terminal,
  args: readonly string[],
  names: readonly string[],
): LoadingTerminal {
  const name = args.find((arg) => names.includes(arg));
  if (!stderr.isTTY || name === undefined || args.some((arg) => without.test(arg)))
    return { stdout, stderr, clear: () => {} };
  let shown = true;
  stderr.write(`petalface ${name}: loading`);
  const clear = (): void => {
    if (shown) stderr.write("\r\u001b[K");
    shown = false;
  };
  const through = (stream: ProgressStream): ProgressStream => ({
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns ?? 80;
    },
    write(text) {
      clear();
      return stream.write(text);
    },
  });
  return { stdout: through(stdout), stderr: through(stderr), clear };
}
