import { fileURLToPath } from "node:url";
import type { Argument, Command, Option } from "commander";
import { expect, it } from "vitest";
import { wholeProgram } from "../support/program.ts";

const page = fileURLToPath(new URL("../../../../docs/reference/commands.md", import.meta.url));

// Angle brackets and braces are code for the site's compiler; a bar would end the cell.
const cell = (text: string): string =>
  text.replaceAll("|", "\\|").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("{{", "&#123;&#123;");

const standardOf = ({ defaultValue, defaultValueDescription }: Option | Argument): string =>
  defaultValueDescription ?? (defaultValue === undefined ? "" : JSON.stringify(defaultValue));

const row = (term: string, item: Option | Argument): string =>
  `| \`${term.replaceAll("|", "\\|")}\` | ${cell(standardOf(item))} | ${cell(item.description)} |`;

const argumentTerm = (item: Argument): string => {
  const name = item.variadic ? `${item.name()}...` : item.name();
  return item.required ? `<${name}>` : `[${name}]`;
};

function section(command: Command, parents: readonly string[]): string {
  const names = [...parents, command.name()];
  const rows = [
    ...command.registeredArguments.map((item) => row(argumentTerm(item), item)),
    ...command.options.filter(({ hidden }) => !hidden).map((item) => row(item.flags, item)),
  ];
  const table =
    rows.length === 0
      ? ""
      : `\n| argument or option | default | what it does |\n| --- | --- | --- |\n${rows.join("\n")}\n`;
  const inner = command.commands.map((each) => section(each, names)).join("");
  return `\n${"#".repeat(names.length)} ${names.slice(1).join(" ")}\n\n${cell(command.description())}\n\n    ${names.join(" ")} ${command.usage()}\n${table}${inner}`;
}

it("docs/reference/commands.md lists every command and option (npx vitest run commands-page -u writes it again)", async () => {
  const program = await wholeProgram();
  const own = program.options.map((item) => row(item.flags, item)).join("\n");
  const text = `# Commands

Every command of \`petalface\` with its arguments and options, as \`petalface COMMAND --help all\` prints them.
This page is made from the program itself. The options of \`adapt\` have a [page of their own](../options.md).

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (and resumable).

Options of every command:

| option | default | what it does |
| --- | --- | --- |
${own}
${program.commands.map((command) => section(command, ["petalface"])).join("")}`;
  await expect(text).toMatchFileSnapshot(page);
});
