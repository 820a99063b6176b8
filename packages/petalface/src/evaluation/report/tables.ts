import { farLabel, measureLabel } from "../condition.ts";
import { listMeasures, type NamedResult, percent } from "../table.ts";
import type { Measure } from "../types.ts";
import { type Html, html } from "./html.ts";
import { type NamedComparison, points, pText, verdict } from "./words.ts";

const kinds: readonly Measure["kind"][] = ["accuracy", "rank1", "tar", "auc", "eer"];

const groupTitle = ({ kind, far }: Pick<Measure, "kind" | "far">): string =>
  ({
    accuracy: "Verification accuracy",
    rank1: "Rank-1 identification",
    tar: `True accepts at ${farLabel(far ?? 0)} false accepts`,
    auc: "Area under the ROC",
    eer: "Equal error rate (lower is better)",
  })[kind];

/** The condition alone; the group says what is measured. */
const rowTitle = (measure: Measure): string => measureLabel(measure).replace(/^(accuracy|rank-1|AUC|EER|TAR@\S+) /, "");

function grouped<T>(
  rows: readonly T[],
  measure: (row: T) => Pick<Measure, "kind" | "far">,
  columns: number,
  line: (row: T) => Html,
): Html[] {
  let last = "";
  return rows.map((row) => {
    const title = groupTitle(measure(row));
    const head =
      title === last ? undefined : html`<tr class="group"><th colspan="${columns}" scope="colgroup">${title}</th></tr>`;
    last = title;
    return html`${head}${line(row)}`;
  });
}

/** Every measure with its interval, one column a model. */
export function measureTable(results: readonly NamedResult[]): Html {
  const rows = listMeasures(results, kinds).map(({ measures }) => ({
    measures,
    any: measures.find((measure) => measure !== undefined) as Measure,
  }));
  const cell = (measure: Measure | undefined): Html =>
    measure === undefined
      ? html`<td>–</td>`
      : html`<td>${percent(measure.value)}<small>${percent(measure.low)} to ${percent(measure.high)}</small></td>`;
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">per cent, 95 % interval</th>${results.map(({ name }) => html`<th scope="col"><span>${name}</span></th>`)}</tr></thead>
<tbody>${grouped(
    rows,
    ({ any }) => any,
    results.length + 1,
    ({ any, measures }) =>
      html`<tr><th scope="row">${rowTitle(any)}${any.support === undefined || any.support >= 10 ? undefined : html` <small class="note">rests on ${any.support} impostor${any.support === 1 ? "" : "s"}</small>`}</th>${measures.map(cell)}</tr>
`,
  )}</tbody></table></div>`;
}

/** Differences from the baseline, one column a model; significant ones are marked by sign, arrow and colour. */
export function differenceTable(comparisons: readonly NamedComparison[]): Html {
  const keys = [
    ...new Map(
      comparisons.flatMap(({ comparison }) => comparison.differences.map((d) => [d.key, d] as const)),
    ).values(),
  ];
  const order = { sharp: 0, lr: 1, mixed: 2 } as const;
  const rows = keys.toSorted(
    (a, b) =>
      kinds.indexOf(a.kind) - kinds.indexOf(b.kind) ||
      (b.far ?? 0) - (a.far ?? 0) ||
      order[a.condition.kind] - order[b.condition.kind],
  );
  return html`<div class="scroll"><table>
<thead><tr><th scope="col">points, 95 % interval</th>${comparisons.map(({ name }) => html`<th scope="col"><span>${name}</span></th>`)}</tr></thead>
<tbody>${grouped(
    rows,
    (row) => row,
    comparisons.length + 1,
    (row) =>
      html`<tr><th scope="row">${rowTitle(row as unknown as Measure)}</th>${comparisons.map(({ comparison }) => {
        const d = comparison.differences.find(({ key }) => key === row.key);
        if (d === undefined) return html`<td>–</td>`;
        const sign = verdict(d);
        const [look, arrow] = sign > 0 ? ["good", "▲ "] : sign < 0 ? ["bad", "▼ "] : ["", ""];
        return html`<td><span class="${look}">${arrow}${points(d.value)}</span><small>${points(d.low)} to ${points(d.high)}, ${pText(d.p, comparison.bootstrap.resamples)}</small></td>`;
      })}</tr>
`,
  )}</tbody></table></div>`;
}
