import { givenFaces } from "../results/legend.ts";
import { percent } from "../results/percent.ts";
import type { EvaluationResult, Measure } from "../results/types.ts";
import { tooFew } from "../statistics/significance.ts";
import { type Html, html } from "./html.ts";
import { type NamedComparison, points, pText, subjectOf, verdict, verdictWords } from "./words.ts";

/**
 * The few numbers to take home, as large figures: what the model reaches, from where, and how sure
 * that is.
 */
export function tiles(
  { comparison }: NamedComparison,
  baseline: EvaluationResult,
  model: EvaluationResult,
): Html | undefined {
  const value = ({ measures }: EvaluationResult, key: string): Measure | undefined =>
    measures.find((measure) => measure.key === key);
  const shown = subjectOf(comparison, givenFaces(baseline)).flatMap((difference) => {
    const [before, after] = [value(baseline, difference.key), value(model, difference.key)];
    if (before === undefined || after === undefined) return [];
    const sign = verdict(difference);
    const look = sign > 0 ? "good" : sign < 0 ? "bad" : "even";
    const same = difference.low === 0 && difference.high === 0;
    const words = verdictWords(difference);
    return [
      html`<div class="tile"><div class="what">${difference.title}</div><div class="big">${percent(after.value)}<span>%</span></div>
<div class="from">${same ? "unchanged" : html`from ${percent(before.value)} %, ${points(difference.value)} points`}</div>
<div class="chip ${look}">${words}${same || words === tooFew ? undefined : html`, ${pText(difference.corrected)}`}</div></div>`,
    ];
  });
  return shown.length === 0 ? undefined : html`<div class="tiles">${shown}</div>`;
}
