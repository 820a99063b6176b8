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
  for (const part of partsOf(command)) {
    const last = lines.at(-1) ?? "";
    if (last.length + part.length + " \\ ".length < columns) lines[lines.length - 1] = `${last} ${part}`;
    else lines.push(`    ${part}`);
  }
  return lines.join(" \\\n");
}

/** A command cut before its options, but not inside of quotes. */
function partsOf(command: string): string[] {
  const parts: string[] = [];
  for (const piece of command.split(/ (?=--)/)) {
    const last = parts.at(-1);
    // An escaped quote stands between quoted words.
    const isOpen = last !== undefined && last.replaceAll("\\'", "").split("'").length % 2 === 0;
    if (isOpen) parts[parts.length - 1] = `${last} ${piece}`;
    else parts.push(piece);
  }
  return parts;
}
