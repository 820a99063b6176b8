import Table from "cli-table3";
import { breakCell, columns as lineWidth, longestPart } from "./lines.ts";

/** Spaces between two columns. */
const gap = 2;

/**
 * Text of a plain table: columns padded, no lines, a heading row where one is given. Wide cells are
 * broken, so that lines fit.
 */
export function plainTable(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const none = {
    top: "",
    "top-mid": "",
    "top-left": "",
    "top-right": "",
    bottom: "",
    "bottom-mid": "",
    "bottom-left": "",
  };
  const table = new Table({
    chars: {
      ...none,
      "bottom-right": "",
      left: "",
      "left-mid": "",
      mid: "",
      "mid-mid": "",
      right: "",
      "right-mid": "",
      middle: "  ",
    },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    colAligns: Array.from({ length: columns }, (_, column) => (right.includes(column) ? "right" : "left")),
  });
  const widths = fitColumns(rows, columns);
  table.push(...rows.map((row) => row.map((cell, column) => breakCell(cell, widths[column] ?? lineWidth))));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/**
 * Widths of the columns: as wide as their cells, the widest ones narrower where the line would be
 * too long, but never than a word.
 */
function fitColumns(rows: readonly (readonly string[])[], count: number): number[] {
  const cells = (column: number): string[] => rows.map((row) => row[column] ?? "");
  const longest = (texts: readonly string[]): number => Math.max(0, ...texts.map((text) => text.length));
  const widths = Array.from({ length: count }, (_, column) => longest(cells(column)));
  const least = Array.from({ length: count }, (_, column) => Math.max(0, ...cells(column).map(longestPart)));
  const total = (): number => widths.reduce((sum, width) => sum + width, gap * (count - 1));
  while (total() > lineWidth) {
    let widest = -1;
    widths.forEach((width, column) => {
      if (width > (least[column] ?? 0) && width > (widths[widest] ?? 0)) widest = column;
    });
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}
