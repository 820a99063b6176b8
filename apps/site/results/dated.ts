import { alignedTable, madeCells } from "./leaderboard.ts";
import { readResults } from "./page.ts";

const cellsOf = (line: string): string[] =>
  line
    .slice(1, -1)
    .split("|")
    .map((cell) => cell.trim());

/** Name of the page of results that a row of a table links to. */
const pageOf = (line: string): string | undefined => /\]\(\.\.\/bench\/results\/([\w-]+)\.md\) *\|$/.exec(line)?.[1];

/**
 * The text of docs/results.md with date, commit and processor of each page in its table: suite,
 * result, date, commit, processor, page.
 */
export function datedResults(text: string): string {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.startsWith("|") && pageOf(line) !== undefined);
  if (first < 2) throw new Error("docs/results.md has no table of pages of results");
  const end = lines.findIndex((line, at) => at > first && !line.startsWith("|"));
  const rows = lines.slice(first, end).map((line) => {
    const [suite = "", result = "", ...rest] = cellsOf(line);
    return [suite, result, ...madeCells(readResults(pageOf(line) ?? "").made), rest.at(-1) ?? ""];
  });
  const table = alignedTable(cellsOf(lines[first - 2] ?? ""), rows);
  return [...lines.slice(0, first - 2), table, ...lines.slice(end)].join("\n");
}
