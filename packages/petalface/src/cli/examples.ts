import type { Command } from "commander";

/** Columns that every printed line fits into. */
const columns = 80;

/** Ends a command's help with examples, each without the leading `petalface`; long ones go on in the next line, as a shell takes them. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  return command.addHelpText("after", `\nExamples:\n${examples.map(printExample).join("\n")}`);
}

/** Breaks a command before its options. */
function printExample(example: string): string {
  const lines = ["  petalface"];
  for (const part of example.split(/ (?=--)/)) {
    const last = lines.at(-1) ?? "";
    if (last.length + part.length + " \\ ".length < columns) lines[lines.length - 1] = `${last} ${part}`;
    else lines.push(`    ${part}`);
  }
  return lines.join(" \\\n");
}
