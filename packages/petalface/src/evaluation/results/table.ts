import Table from "cli-table3";
import { conditionOrder, measureLabel } from "./condition.ts";
import { legendOf } from "./legend.ts";
import { percent } from "./percent.ts";
import type { EvaluationResult, Measure } from "./types.ts";

/** A model's result and what to call it. */
export interface NamedResult {
  readonly name: string;
  readonly result: EvaluationResult;
}

/** How to print. */
export interface TableOptions {
  /**
   * Which measures; accuracy and identification if left out, and whatever there is where those are
   * not.
   */
  readonly kinds?: readonly Measure["kind"][];
  /** Escape codes for bold and dim; off unless asked for. */
  readonly colour?: boolean;
}

/** Half the width of the 95 % interval. */
export function halfWidth({ low, high }: { readonly low: number; readonly high: number }): number {
  return (high - low) / 2;
}

/** Control characters in a name could move the cursor or recolour the terminal. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}

/** Columns of a terminal that a table fits into. */
const lineWidth = 80;

/**
 * One line a measure, one column a model: the value in per cent and half the width of its 95 %
 * interval. Models that do not fit into a line of 80 columns follow in further tables. A last line
 * says what the words mean; it may be longer.
 */
export function printTable(results: readonly NamedResult[], options: TableOptions = {}): string {
  const { kinds = ["accuracy", "rank1", "rank", "tpir"], colour = false } = options;
  const wanted = listMeasures(results, kinds);
  const rows = wanted.length > 0 ? wanted : listMeasures(results, ["tar", "auc", "eer"]);
  const shown = rows.map(({ name }) => name);
  const legend = legendOf(
    shown,
    results.map(({ result }) => result),
  );
  const lines = rows.map(({ name, measures }) => [
    measureLabel(name),
    ...measures.map((m) => (m === undefined ? "-" : `${percent(m.value)} ± ${percent(halfWidth(m))}`)),
  ]);
  const cells = [["%", ...results.map(({ name }) => printable(name))], ...lines];
  const widths = results.map((_, model) => Math.max(...cells.map((row) => row[model + 1]?.length ?? 0)));
  const label = Math.max(...cells.map(([first = ""]) => first.length));
  const tables = splitColumns(widths, lineWidth - label - 4).map((models) =>
    boxed(
      cells.map(([first = "", ...values]) => [first, ...models.map((at) => values[at] ?? "")]),
      colour,
    ),
  );
  return [...tables, legend].join("\n");
}

/**
 * Columns of these widths, with a border and two spaces each, in groups that fit into `room`; at
 * least one in each.
 */
function splitColumns(widths: readonly number[], room: number): number[][] {
  const groups: number[][] = [];
  let left = 0;
  widths.forEach((width, column) => {
    if (groups.length === 0 || left < width + 3) {
      groups.push([]);
      left = room;
    }
    groups.at(-1)?.push(column);
    left -= width + 3;
  });
  return groups;
}

function boxed([head = [], ...rows]: readonly (readonly string[])[], colour: boolean): string {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, column) => (column === 0 ? "left" : "right")),
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: colour ? { head: ["bold"], border: ["dim"] } : { head: [], border: [] },
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

/** The order of tables: kind by kind as listed, laxer rates first, then by depth and condition. */
export function byMeasure(kinds: readonly Measure["kind"][]) {
  type Ordered = Pick<Measure, "kind" | "far" | "fpir" | "rank" | "condition">;
  return (a: Ordered, b: Ordered): number =>
    kinds.indexOf(a.kind) - kinds.indexOf(b.kind) ||
    (b.far ?? 0) - (a.far ?? 0) ||
    (b.fpir ?? 0) - (a.fpir ?? 0) ||
    (a.rank ?? 1) - (b.rank ?? 1) ||
    conditionOrder(a.condition) - conditionOrder(b.condition);
}

/**
 * Measures of the given kinds that any result has, kind by kind, with each model's value or
 * undefined.
 */
export function listMeasures(
  results: readonly NamedResult[],
  kinds: readonly Measure["kind"][],
): readonly { readonly name: Measure; readonly measures: readonly (Measure | undefined)[] }[] {
  const firsts = new Map<string, Measure>();
  for (const { result } of results)
    for (const measure of result.measures) if (!firsts.has(measure.key)) firsts.set(measure.key, measure);
  return [...firsts.values()]
    .filter((measure) => kinds.includes(measure.kind))
    .sort(byMeasure(kinds))
    .map((measure) => ({
      name: measure,
      measures: results.map(({ result }) => result.measures.find(({ key }) => key === measure.key)),
    }));
}
