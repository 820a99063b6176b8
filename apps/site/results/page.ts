import { readFileSync } from "node:fs";

/** A table of a page in `bench/results`. */
export interface ResultsTable {
  /** Titles of the sections that it is in, the outermost first. */
  readonly sections: readonly string[];
  /** The text between its heading, or the table before it, and the table. */
  readonly intro: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** When and where the numbers of a page were made. */
export interface Circumstances {
  /** `2026-11-29`. */
  readonly date: string;
  readonly commit: string;
  /** Undefined where the page does not name it. */
  readonly processor: string | undefined;
  /**
   * Whether date and commit are of the page in the repository, because those of the run were not
   * written down.
   */
  readonly recorded: boolean;
}

/** A page of `bench/results`, as far as other pages use it. */
export interface ResultsPage {
  readonly name: string;
  /** The commands that made it, the first one first. */
  readonly commands: readonly string[];
  readonly made: Circumstances;
  readonly tables: readonly ResultsTable[];
}

/** A value in per cent with its 95 % interval. */
export interface Value {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** As the page has it, without what follows. */
  readonly text: string;
}

const cellsOf = (line: string): string[] =>
  line
    .slice(1, -1)
    .split("|")
    .map((cell) => cell.trim());

function tablesOf(text: string): ResultsTable[] {
  const found: ResultsTable[] = [];
  const sections: string[] = [];
  let intro: string[] = [];
  let rows: string[][] = [];
  for (const line of [...text.split("\n"), ""]) {
    if (line.startsWith("|")) {
      rows.push(cellsOf(line));
      continue;
    }
    const [columns, , ...body] = rows;
    if (columns !== undefined) {
      found.push({ sections: [...sections], intro: intro.join(" ").trim(), columns, rows: body });
      rows = [];
      intro = [];
    }
    const heading = /^(##+) (.+)$/.exec(line);
    if (heading === null) intro.push(line);
    else {
      sections.splice((heading[1] ?? "").length - 2, Number.POSITIVE_INFINITY, heading[2] ?? "");
      intro = [];
    }
  }
  return found;
}

const processors = /(?:AMD EPYC|Intel(?:\(R\))? Xeon(?:\(R\))?)(?: Processor)?/;

function circumstancesOf(name: string, text: string): Circumstances {
  const run = /^(\d{4}-\d\d-\d\d), (commit [^;,]+|sources of this commit)/m.exec(text);
  const made = run ?? /^Recorded on (\d{4}-\d\d-\d\d), (commit \w+)\./m.exec(text);
  if (made === null) throw new Error(`bench/results/${name}.md does not say its date and its commit`);
  const processor = processors.exec(text)?.[0].replaceAll("(R)", "").replace(" Processor", "");
  return { date: made[1] ?? "", commit: made[2] ?? "", processor, recorded: run === null };
}

/** Reads the text of a page of results. */
export function parseResults(name: string, text: string): ResultsPage {
  const commands = [...text.matchAll(/^ {4}((?:scripts\/as-avx2 )?(?:npm run|petalface) .+)$/gm)];
  return {
    name,
    commands: commands.map(([, command]) => command ?? ""),
    made: circumstancesOf(name, text),
    tables: tablesOf(text),
  };
}

/** Reads `bench/results/NAME.md`. */
export function readResults(name: string): ResultsPage {
  return parseResults(name, readFileSync(new URL(`../../../bench/results/${name}.md`, import.meta.url), "utf8"));
}

/**
 * Reads a cell: `45.4 ± 4.6`, whatever follows, or `45.4 [40.8, 50.0]`.
 *
 * @returns undefined where there is no value with an interval
 */
export function valueIn(cell: string): Value | undefined {
  const half = /^(-?[\d.]+) ± ([\d.]+)/.exec(cell);
  if (half !== null) {
    const [value, width] = [Number(half[1]), Number(half[2])];
    return { value, low: value - width, high: value + width, text: half[0] };
  }
  const ends = /^(-?[\d.]+) \[(-?[\d.]+), (-?[\d.]+)\]/.exec(cell);
  if (ends === null) return undefined;
  const [value, low, high] = [Number(ends[1]), Number(ends[2]), Number(ends[3])];
  return { value, low, high, text: `${ends[1]} (${ends[2]} to ${ends[3]})` };
}

/** A row by the names of its columns. */
export const rowOf = ({ columns }: ResultsTable, row: readonly string[]): ReadonlyMap<string, string> =>
  new Map(columns.map((column, at) => [column, row[at] ?? ""]));

/** The table of a page that is in these sections and has these columns. */
export function tableOf({ name, tables }: ResultsPage, sections: readonly string[], columns: readonly string[]) {
  const found = tables.find(
    (table) =>
      sections.every((section, at) => table.sections[at] === section) &&
      columns.every((column) => table.columns.includes(column)),
  );
  if (found === undefined) throw new Error(`bench/results/${name}.md has no table ${sections.join(", ")}: ${columns}`);
  return found;
}
