import type { Command } from "commander";
import { columns } from "./lines.ts";

/** Ends a command's help with examples, each without the leading `petalface`. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  return command.addHelpText("after", examplesText(examples));
}

/** Examples for the end of a help text. */
export const examplesText = (examples: readonly string[]): string =>
  `\nExamples:\n${examples.map(printCommand).join("\n")}`;

/**
 * A command of petalface to copy, indented; where it is long it continues in the next line, before
 * an option, in the shell's syntax.
 */
export function printCommand(command: string): string {
  const lines = ["  petalface"];
  for (const part of command.split(/ (?=--)/)) {
    const last = lines.at(-1) ?? "";
    if (last.length + part.length + " \\ ".length < columns) lines[lines.length - 1] = `${last} ${part}`;
    else lines.push(`    ${part}`);
  }
  return lines.join(" \\\n");
}
