import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { describeOption, printDefault } from "../../src/cli/commands/adapt/training-options.ts";
import { type GroupName, groups, optionEntries, trainingOptions } from "../../src/training/index.ts";

const page = fileURLToPath(new URL("../../../../docs/options.md", import.meta.url));

const cell = (text: string): string => text.replaceAll("|", "\\|");

function section(group: string): string {
  const rows = optionEntries
    .filter(([, entry]) => entry.group === group)
    .map(([name, entry]) => {
      const given = entry.extras.reference === true ? "no; reference yes" : "no";
      const standard = printDefault(entry) ?? (entry.read === undefined ? given : "none");
      return `| \`${entry.flag}\` | \`${name}\` | ${cell(standard)} | ${cell(entry.range)} | ${cell(entry.help)} |`;
    });
  return `## ${groups[group as GroupName]}

| option | in the library | default | values | what it does |
| --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}

it("docs/options.md lists every option as the table has it (npx vitest run options-page -u writes it again)", async () => {
  const text = `# Options of training

Every option of \`petalface adapt\`, and of \`TrainingOptions\` in the library. The defaults are those of the preset \`petal\`;
where the presets \`paper\` and \`reference\` have other values, the table names them. [training.md](training.md) says more.
This page is made from \`packages/petalface/src/training/options/table.ts\`.

${Object.keys(groups).map(section).join("\n")}`;
  await expect(text).toMatchFileSnapshot(page);
});

it("gives every option a group, a line of help, and a default that its own check allows", () => {
  const flags = optionEntries.map(([, { flag }]) => flag.split(" ")[0]);
  expect(new Set(flags).size).toBe(flags.length);
  expect(Object.keys(trainingOptions())).toEqual(optionEntries.map(([name]) => name));
  for (const [name, entry] of optionEntries) {
    expect(entry.check(entry.default), name).toBeUndefined();
    for (const value of [entry.extras.paper, entry.extras.reference, entry.extras.vit, entry.extras.iresnet])
      if (value !== undefined) expect(entry.check(value), name).toBeUndefined();
    expect(describeOption(entry), name).toMatch(/^\S.{5,}/);
    expect(entry.check({}), name).toBeDefined();
  }
});
