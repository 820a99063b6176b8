import { readFileSync } from "node:fs";
import { type Board, boards, type Entry } from "./boards.ts";
import { type Circumstances, type ResultsPage, readResults, type Value } from "./page.ts";

/** A table of Markdown with aligned columns, as the formatter would write it. */
export function alignedTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, at) => Math.max(3, title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

const shown = (value: Value | undefined): string => value?.text ?? "-";

const meet = (a: Value, b: Value): boolean => a.low <= b.high && b.low <= a.high;

/** A cell of when and where numbers were made; what was not written down is named. */
export const madeCells = ({ date, commit, processor, recorded }: Circumstances): [string, string, string] => [
  recorded ? `${date}, recorded` : date,
  commit.replace("commit ", ""),
  processor ?? "not recorded",
];

/** Whether two pages measured the same, as the frozen model is on each. */
const isSame = (a: Entry, b: Entry): boolean =>
  a.model === b.model &&
  a.method === b.method &&
  [...a.values].every(([column, value]) => value?.text === b.values.get(column)?.text);

/** Entries that have the value that ranks, once each, the best first. */
function ranked(board: Board, pages: readonly ResultsPage[]): { entry: Entry; value: Value }[] {
  return pages
    .flatMap((page) => board.entries(page))
    .filter((entry, at, all) => all.findIndex((other) => isSame(other, entry)) === at)
    .map((entry) => {
      const value = entry.values.get(board.rank);
      if (value === undefined)
        throw new Error(`${entry.method} of bench/results/${entry.page.name}.md has no ${board.rank}`);
      return { entry, value };
    })
    .toSorted((a, b) => b.value.value - a.value.value);
}

/** Rows of one board share a protocol, or they could not be compared. */
function checkGround({ title, ground }: Board, pages: readonly ResultsPage[]): void {
  if (ground === undefined) return;
  const grounds = pages.map(({ name }) => {
    const text = readFileSync(new URL(`../../../bench/results/${name}.md`, import.meta.url), "utf8");
    return ground.exec(text)?.[0];
  });
  if (grounds.includes(undefined) || new Set(grounds).size > 1)
    throw new Error(`the pages of "${title}" do not have the same protocol`);
}

function section(board: Board): string {
  const pages = board.pages.map(readResults);
  checkGround(board, pages);
  const entries = ranked(board, pages);
  const best = entries[0]?.value;
  const others = board.columns.filter((column) => column !== board.rank);
  const link = ({ name }: ResultsPage): string => `[${name}](../bench/results/${name}.md)`;
  const from = pages.length > 1;
  const rows = entries.map(({ entry: { page, model, method, images, values }, value }, at) => [
    String(at + 1),
    `${model}, ${method}`,
    images,
    shown(value),
    at === 0 || best === undefined ? "-" : meet(best, value) ? "yes" : "no",
    ...others.map((column) => shown(values.get(column))),
    ...(from ? [link(page)] : []),
  ]);
  const head = ["", "model, method", "images", `**${board.rank}**`, "meets the first", ...others];
  const sources = pages.map((page) => {
    const [date, commit, processor] = madeCells(page.made);
    return [
      `- ${link(page)}: ${date}, commit ${commit}; processor ${processor}.`,
      ...page.commands.map((command) => `  \`${command}\``),
    ].join("\n");
  });
  return [
    `## ${board.title}`,
    board.about.join("\n"),
    alignedTable([...head, ...(from ? ["page"] : [])], rows),
    sources.join("\n"),
  ].join("\n\n");
}

/** The leaderboard of all runs whose results are in `bench/results`, as Markdown. */
export function leaderboardPage(): string {
  return `# Leaderboard

These are this repository's own runs, ranked. \`npm run leaderboard -w petalface-site\` makes the page
from \`bench/results\`, and a test compares the two. No number here was typed by hand.

- Values are per cent. After ± is half the 95 % interval, from a bootstrap over people.
- The first value column ranks. _Meets the first_ says whether a row's interval meets that of the
  first row. If it does, the order of the two says little. Paired differences, where a page has
  them, say more.
- Rows of one table share people and protocol. Do not compare rows of different tables.
- We ran all methods. \`paper\` is PETALface's twin adapter in our code, not a published number.
- A dash: not measured.
- _recorded_: the page gives the date and the commit with which the results were recorded. Those of
  the run were not written down. Benchmarks write both since 2026-11-29.

To rank your own runs on one protocol, with paired differences, use
[\`petalface leaderboard\`](reference/commands.md#leaderboard).

${boards.map(section).join("\n\n")}
`;
}
