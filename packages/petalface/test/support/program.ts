import type { Command } from "commander";
import { commandNames, loadCommands } from "../../src/cli/commands.ts";
import { createContext } from "../../src/cli/context.ts";
import { createProgram } from "../../src/cli/run.ts";

/** The command line with every command, as `petalface` has it; nothing is run. */
export async function wholeProgram(): Promise<Command> {
  const terminal = { stdout: process.stdout, stderr: process.stderr };
  const program = createProgram(terminal);
  const context = createContext(() => ({}), new AbortController().signal, terminal);
  for (const name of commandNames) for (const register of await loadCommands([name])) register(program, context);
  return program;
}
