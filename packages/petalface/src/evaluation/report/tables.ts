import { farLabel, rowLabel } from "../results/condition.ts";
import { percent } from "../results/percent.ts";
import { byMeasure, listMeasures, type NamedResult } from "../results/table.ts";
import type { Measure } from "../results/types.ts";
import { type Html, html } from "./html.ts";
import { type NamedComparison, points, pText, verdict } from "./words.ts";

/**
 * The measures that a report opens with, and those it folds away: true accepts come first where a
 * protocol has no accuracy.
 */
export function kindsOf(results: readonly NamedResult[]): {
  readonly main: readonly Measure["kind"][];
  readonly others: readonly Measure["kind"][];
} {
  const folded = results.some(({ result }) => result.measures.some(({ kind }) => kind === "accuracy"));
  return folded
    ? { main: ["accuracy", "rank1", "rank", "tpir"], others: ["tar", "auc", "eer"] }
    : { main: ["tar", "rank1", "rank", "tpir"], others: ["auc", "eer"] };
}

const groupTitle = ({ kind, far, rank, fpir }: Pick<Measure, "kind" | "far" | "rank" | "fpir">): string =>
  ({
    accuracy: "Verification accuracy",
    rank1: "Rank-1 identification",
    rank: `Rank-${rank} identification`,
    tpir: `Found ${rank === undefined || rank === 1 ? "first" : `among the first ${rank}`} at ${farLabel(fpir ?? 0)} false alarms`,
    tar: `True accepts at ${farLabel(far ?? 0)} false accepts`,
    auc: "Area under the ROC",
    eer: "Equal error rate (lower is better)",
  })[kind];

/**
 * Lines under the title of their measure; where a measure has one line each, its title is the
 * line's own.
 */
function grouped<T>(
  rows: readonly T[],
  measure: (row: T) => Pick<Measure, "kind" | "far" | "rank" | "fpir" | "condition">,
  columns: number,
  line: (row: T, label: string) => Html,
): Html[] {
  const titles = rows.map((row) => groupTitle(measure(row)));
  if (new Set(titles).size === rows.length && rows.length > 1)
    return rows.map((row, i) => line(row, `${titles[i]}, ${rowLabel(measure(row))}`));
  return rows.map((row, i) => {
    const head =
      titles[i] === titles[i - 1]
        ? undefined
        : html`<tr class="group"><th colspan="${columns}" scope="colgroup">${titles[i]}</th></tr>`;
    return html`${head}${line(row, rowLabel(measure(row)))}`;
  });
}

/** Every measure with its interval, one column a model. */
export function measureTable(results: readonly NamedResult[], kinds: readonly Measure["kind"][]): Html {
  const rows = listMeasures(results, kinds);
  const cell = (measure: Measure | undefined): Html =>
    measure === undefined
      ? html`<td>–</td>`
      : html`<td>${percent(measure.value)}<small>${percent(measure.low)} to ${percent(measure.high)}</small></td>`;
  return html`<div class="scroll" tabindex="0" role="group" aria-label="table"><table>
<thead><tr><th scope="col">per cent, 95 % interval</th>${results.map(({ name }) => html`<th scope="col"><span>${name}</span></th>`)}</tr></thead>
<tbody>${grouped(
    rows,
    ({ name }) => name,
    results.length + 1,
    ({ name, measures }, label) =>
      html`<tr><th scope="row">${label}${name.support === undefined || name.support >= 10 ? undefined : html` <small class="note">rests on ${name.support} impostor${name.support === 1 ? "" : "s"}</small>`}</th>${measures.map(cell)}</tr>
`,
  )}</tbody></table></div>`;
}

/**
 * Differences from the baseline, one column a model; significant ones are marked by sign, arrow and
 * colour.
 */
export function differenceTable(comparisons: readonly NamedComparison[], kinds: readonly Measure["kind"][]): Html {
  const keys = [
    ...new Map(
      comparisons.flatMap(({ comparison }) => comparison.differences.map((d) => [d.key, d] as const)),
    ).values(),
  ];
  const rows = keys.filter(({ kind }) => kinds.includes(kind)).toSorted(byMeasure(kinds));
  return html`<div class="scroll" tabindex="0" role="group" aria-label="table"><table>
<thead><tr><th scope="col">points, 95 % interval</th>${comparisons.map(({ name }) => html`<th scope="col"><span>${name}</span></th>`)}</tr></thead>
<tbody>${grouped(
    rows,
    (row) => row,
    comparisons.length + 1,
    (row, label) =>
      html`<tr><th scope="row">${label}</th>${comparisons.map(({ comparison }) => {
        const d = comparison.differences.find(({ key }) => key === row.key);
        if (d === undefined) return html`<td>–</td>`;
        const sign = verdict(d);
        const [look, arrow] = sign > 0 ? ["good", "▲ "] : sign < 0 ? ["bad", "▼ "] : ["", ""];
        return html`<td><span class="${look}">${arrow}${points(d.value)}</span><small>${points(d.low)} to ${points(d.high)}, ${pText(d.corrected)}</small></td>`;
      })}</tr>
`,
  )}</tbody></table></div>`;
}
