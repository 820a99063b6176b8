import { Command } from "commander";
import { launchOf } from "../launched.ts";
import { packageVersion } from "../versions.ts";
import { commandNames, loadCommands } from "./commands.ts";
import { type CommonOptions, createContext, type Terminal } from "./context.ts";
import { describeFailure, stackOf } from "./failure.ts";
import { showLoading } from "./loading.ts";

/** The program without its commands: its own options, and how it reports. */
export function createProgram({ stdout, stderr }: Terminal): Command {
  return (
    new Command("petalface")
      .description("Adapt any face recogniser to low-resolution faces.")
      .version(packageVersion(), "-V, --version", "print the version")
      .helpOption("-h, --help", "print help")
      .option("--json", "print one JSON document on stdout and nothing else")
      .option("--quiet", "no progress and no notes on stderr")
      .option("--force", "replace files that petalface did not write")
      .option("--debug", "print the stack trace of an error")
      // Descriptions wrap next to long terms too: commander leaves them in one line below 40
      // columns.
      .configureHelp({ showGlobalOptions: true, minWidthToWrap: 20 })
      // Errors are reported by main(), in the one format that all of them share.
      .configureOutput({
        writeOut: (text) => stdout.write(text),
        writeErr: (text) => stderr.write(text),
        outputError: () => {},
      })
      .exitOverride()
      .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (and resumable).")
  );
}

/**
 * Aborts on the first Ctrl-C. The second is left to the system, which ends the process at once,
 * even amid a long step of the engine: no listener is left by then. Listeners are taken away only
 * when all of them have heard the first one: a library's may end the process where it finds itself
 * alone.
 */
function listenForSignals(note: (line: string) => void): { signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const signals = ["SIGINT", "SIGTERM"] as const;
  const onSignal = (): void => {
    setImmediate(() => {
      for (const name of signals) process.removeAllListeners(name);
    });
    if (controller.signal.aborted) return;
    controller.abort();
    note("petalface: stopping; press Ctrl-C again to stop immediately");
  };
  const stop = (): void => {
    for (const name of signals) process.off(name, onSignal);
  };
  for (const name of signals) process.on(name, onSignal);
  return { signal: controller.signal, stop };
}

async function flush(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => stream.write("", () => resolve()));
}

/** One call of the command line. */
export interface Invocation {
  /**
   * Runs the command and returns the exit code of one that ended by itself. Throws what the command
   * throws.
   */
  run(): Promise<number>;
  /**
   * Says on stderr what an error means, and under `--json` on stdout too; returns its exit code.
   */
  report(error: unknown): number;
}

/**
 * Prepares a call of the command line that writes to `terminal` and changes nothing else of the
 * process.
 *
 * @param args those after `node main.ts`
 * @param signal ends the command when it is aborted
 */
export function invoke(args: readonly string[], given: Terminal, signal: AbortSignal): Invocation {
  const { clear, ...terminal } = showLoading(given, args, commandNames);
  const { stdout, stderr } = terminal;
  const program = createProgram(terminal);
  const context = createContext(() => program.opts<CommonOptions>(), signal, terminal);
  program.hook("preAction", async (_, command) => {
    // Loaded by commands only: help and the version load nothing but the parser.
    const { prepareCache } = await import("./cache-folder.ts");
    await prepareCache(command.name(), context);
  });

  const report = (error: unknown): number => {
    const command = program.commands.find((each) => args.includes(each.name()))?.name();
    const { exitCode, failure } = describeFailure(error, signal, command);
    if (program.opts<CommonOptions>().debug && exitCode === 1) stderr.write(`${stackOf(error)}\n`);
    if (failure === undefined) return exitCode;
    stderr.write(`petalface: ${failure.message}\n`);
    // Arguments that could not be parsed may have left the option unseen.
    if (!context.answered && (context.json || args.includes("--json")))
      stdout.write(`${JSON.stringify({ error: failure }, undefined, 2)}\n`);
    return exitCode;
  };
  return {
    report,
    async run() {
      try {
        for (const register of await loadCommands(args)) register(program, context);
        await program.parseAsync(args, { from: "user" });
        return signal.aborted && !context.isService ? 130 : context.exitCode;
      } finally {
        clear();
      }
    },
  };
}

/**
 * Runs the command line and sets the process's exit code. `args` are those after `node main.ts`.
 */
export async function main(args: readonly string[]): Promise<void> {
  const { stdout, stderr } = process;
  // A reader that went away (`petalface ... | head`) is not an error.
  for (const stream of [stdout, stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
  // Launchers send the signal to every process, also because another one died: then a line says
  // which.
  const launched = launchOf(process.env) !== undefined;
  const { signal, stop } = listenForSignals((line) => {
    if (!launched) stderr.write(`${stderr.isTTY ? "\r\u001b[K" : ""}${line}\n`);
  });
  const { run, report } = invoke(args, { stdout, stderr }, signal);

  const fail = async (error: unknown): Promise<void> => {
    const exitCode = report(error);
    process.exitCode = exitCode;
    if (exitCode === 0) return;
    // What the failed command left open (workers, sessions) must not keep the process alive.
    await Promise.all([flush(stdout), flush(stderr)]);
    process.exit(exitCode);
  };
  process.on("uncaughtException", (error) => void fail(error));

  try {
    process.exitCode = await run();
  } catch (error) {
    await fail(error);
  } finally {
    stop();
  }
}
