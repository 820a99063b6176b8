import Table from "cli-table3";
import { conditionOrder, measureLabel } from "./condition.ts";
import type { EvaluationResult, Measure } from "./types.ts";

/** A model's result and what to call it. */
export interface NamedResult {
  readonly name: string;
  readonly result: EvaluationResult;
}

/** How to print. */
export interface TableOptions {
  /** Which measures; accuracy and identification if left out, and whatever there is where those are not. */
  readonly kinds?: readonly Measure["kind"][];
  /** Escape codes for bold and dim; off unless asked for. */
  readonly colour?: boolean;
}

/** 0.98333 as `98.33`; shares in per cent. */
export function percent(share: number, digits = 2): string {
  return Number.isNaN(share) ? "-" : (share * 100).toFixed(digits).replace(/^-(0(\.0+)?)$/, "$1");
}

/** Half the width of the 95 % interval. */
export function halfWidth({ low, high }: { readonly low: number; readonly high: number }): number {
  return (high - low) / 2;
}

/** Control characters in a name could move the cursor or recolour the terminal. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}

/**
 * One line a measure, one column a model: the value in per cent and half the width of its 95 % interval.
 */
export function printTable(results: readonly NamedResult[], options: TableOptions = {}): string {
  const { kinds = ["accuracy", "rank1", "rank", "tpir"], colour = false } = options;
  const wanted = listMeasures(results, kinds);
  const rows = wanted.length > 0 ? wanted : listMeasures(results, ["tar", "auc", "eer"]);
  const table = new Table({
    head: ["%", ...results.map(({ name }) => printable(name))],
    colAligns: ["left", ...results.map(() => "right" as const)],
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
    style: colour ? { head: ["bold"], border: ["dim"] } : { head: [], border: [] },
  });
  for (const { name, measures } of rows)
    table.push([
      measureLabel(name),
      ...measures.map((m) => (m === undefined ? "-" : `${percent(m.value)} ± ${percent(halfWidth(m))}`)),
    ]);
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

/** Measures of the given kinds that any result has, kind by kind, with each model's value or undefined. */
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
