import type { Command } from "commander";

/** Ends a command's help with examples, each without the leading `petalface`. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  return command.addHelpText("after", `\nExamples:\n${examples.map((line) => `  petalface ${line}`).join("\n")}`);
}
