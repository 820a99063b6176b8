import { itemAt } from "onnx-grad";
import { degradationLabel } from "../results/condition.ts";
import { legendOf } from "../results/legend.ts";
import { outcomesOf } from "../results/outcomes.ts";
import { percent } from "../results/percent.ts";
import { listMeasures, type NamedResult } from "../results/table.ts";
import type { Condition, EvaluationResult, Measure } from "../results/types.ts";
import { alphaChart, conditionsOf, describeCondition, intervalChart, rocChart, scoreCharts } from "./charts.ts";
import { cmcChart, describeSearch, detChart, qualityChart, resolutionChart, searchConditions } from "./curves.ts";
import { acrossOf } from "./draw.ts";
import { type Html, html } from "./html.ts";
import { modelColour } from "./style.ts";
import { differenceTable, kindsOf, measureTable } from "./tables.ts";
import type { NamedComparison } from "./words.ts";

/** One part of a report, which its table of contents names. */
export interface Section {
  readonly id: string;
  readonly title: string;
  readonly content: Html;
}

const legend = (results: readonly NamedResult[]): Html =>
  html`<ul class="legend">${results.map(({ name }, place) => html`<li><i style="background:${modelColour(place)}"></i>${name}</li>`)}</ul>`;

/** What not every reader wants to see at once; opens without a script. */
const fold = (summary: string, content: Html): Html => html`<details><summary>${summary}</summary>${content}</details>`;

const figure = (title: string, chart: Html): Html =>
  html`<figure><p class="figure-title">${title}</p>${chart}</figure>`;

/** What is folded away, in words. */
const summaryOf = (kinds: readonly string[]): string =>
  kinds.includes("tar")
    ? "True accepts at fixed false accepts, area under the ROC, equal error rate"
    : "Area under the ROC, equal error rate";

/** The lesser measures, folded away; nothing where a protocol has none. */
const foldedMeasures = (
  results: readonly NamedResult[],
  kinds: readonly Measure["kind"][],
  content: Html,
): Html | undefined => (listMeasures(results, kinds).length === 0 ? undefined : fold(summaryOf(kinds), content));

/** Panels side by side, or nothing where there are none. */
function panels(shown: readonly (Html | undefined)[], look = ""): Html | undefined {
  const some = shown.filter((panel) => panel !== undefined);
  if (some.length === 0) return undefined;
  return html`<div class="panels across-${acrossOf(some.length)} ${look}">${some}</div>`;
}

export async function overviewSection(results: readonly NamedResult[]): Promise<Section> {
  const has = (kind: string) => results.some(({ result }) => result.measures.some((measure) => measure.kind === kind));
  const some = (
    [
      [
        has("accuracy") ? "accuracy" : "tar",
        has("accuracy") ? "Verification accuracy" : "True accepts at fixed false accepts",
      ],
      ["rank1", "Rank-1 identification"],
      ["tpir", "Found at fixed false alarms"],
    ] as const
  ).filter(([kind]) => has(kind));
  const charts = await Promise.all(
    some.map(async ([kind, title]) => figure(title, await intervalChart(results, kind, some.length))),
  );
  const shown = listMeasures(results, kindsOf(results).main).map(({ name }) => name);
  const words = legendOf(
    shown,
    results.map(({ result }) => result),
  );
  return {
    id: "glance",
    title: "At a glance",
    content: html`${legend(results)}${panels(charts)}
<p class="note">${words}. Lines are 95 % intervals.</p>`,
  };
}

export function measureSection(results: readonly NamedResult[]): Section {
  const first = itemAt(results, 0).result;
  const { main, others } = kindsOf(results);
  const words = legendOf(
    listMeasures(results, [...main, ...others]).map(({ name }) => name),
    results.map(({ result }) => result),
  );
  return {
    id: "measures",
    title: "Measures",
    content: html`${measureTable(results, main)}<p class="note">${words}.</p>${foldedMeasures(results, others, measureTable(results, others))}${unresolvedNote(first)}`,
  };
}

function unresolvedNote({ unresolved }: EvaluationResult): Html | undefined {
  if (unresolved.length === 0) return undefined;
  const rates = [...new Set(unresolved.map(({ far }) => `${Number((far * 100).toPrecision(6))} %`))].join(", ");
  return html`<p class="note">Not measured everywhere: rates of ${rates} false accepts or alarms, where the protocol has too few cases for a single one to pass.</p>`;
}

export function differenceSection(
  comparisons: readonly NamedComparison[],
  results: readonly NamedResult[],
): Section | undefined {
  if (comparisons.length === 0) return undefined;
  const { main, others } = kindsOf(results);
  const against = [...new Set(comparisons.map((c) => c.against))].join(", ");
  const tests = comparisons.reduce((sum, { comparison }) => sum + comparison.differences.length, 0);
  const seeds = comparisons.some(({ comparison }) => Math.max(...comparison.runs) > 1);
  return {
    id: "differences",
    title: `Differences from ${against}`,
    content: html`<p>Each resample of people is applied to both models, so what is hard for both cancels: these intervals are the ones to judge by, not the overlap of those above.
Arrows mark p below 0.05, corrected for all ${tests} tests (Holm).${seeds ? " Where a method has several runs, intervals cover the people and the training seeds." : ""}</p>${differenceTable(comparisons, main)}${foldedMeasures(results, others, differenceTable(comparisons, others))}`,
  };
}

export async function resolutionSection(results: readonly NamedResult[]): Promise<Section | undefined> {
  const count = 3;
  const charts = await Promise.all(
    (
      [
        ["As given against low resolution", "accuracy", "mixed"],
        ["Both at low resolution", "accuracy", "lr"],
        ["Rank-1 against the gallery as given", "rank1", "mixed"],
      ] as const
    ).map(async ([title, kind, condition]) => {
      const chart = await resolutionChart(results, { kind, condition }, count);
      return chart && figure(title, chart);
    }),
  );
  const shown = panels(charts);
  return (
    shown && {
      id: "resolution",
      title: "By resolution",
      content: html`${legend(results)}${shown}<p class="note">Bands are 95 % intervals.</p>`,
    }
  );
}

export async function qualitySection(
  results: readonly NamedResult[],
  judge: NamedResult,
): Promise<Section | undefined> {
  const conditions = conditionsOf(judge.result);
  const charts = await Promise.all(
    conditions.map(async (condition) => {
      const chart = await qualityChart(results, judge.result, condition, conditions.length);
      return chart && figure(describeCondition(condition), chart);
    }),
  );
  const place = results.indexOf(judge);
  const histograms = await Promise.all(
    judge.result.detail.alphas.map(async ({ degradation, alpha: all }) => {
      const alpha = all.filter((value) => !Number.isNaN(value));
      const open = alpha.reduce((sum, value) => sum + (value === 1 ? 1 : 0), 0) / alpha.length;
      return html`<figure><p class="figure-title">${degradation === null ? "as given" : degradationLabel(degradation)}</p>${await alphaChart(alpha, modelColour(place), judge.result.detail.alphas.length)}
<figcaption>${percent(open, 1)} % exactly 1</figcaption></figure>`;
    }),
  );
  if (histograms.length === 0) return undefined;
  const curves = panels(charts);
  return {
    id: "quality",
    title: "By quality",
    content: html`${
      curves &&
      html`<h3>Accuracy by quality</h3>${legend(results)}${curves}
<p class="note">Comparisons in six parts of equal size, by the alpha that ${judge.name} gives the worse of the two faces.</p>`
    }
<h3>Alpha of ${judge.name}</h3><p>What the model takes the quality of each face for. 1: the detail of sharp training faces, and the adapter is off. 0: that of the poor ones, and it works fully.</p>${panels(histograms)}`,
  };
}

export async function curveSection(results: readonly NamedResult[]): Promise<Section | undefined> {
  const first = itemAt(results, 0).result;
  const each = (
    conditions: readonly Condition[],
    name: (c: Condition) => string,
    chart: (c: Condition, count: number) => Promise<Html>,
  ) => Promise.all(conditions.map(async (c) => figure(name(c), await chart(c, conditions.length))));
  const roc = panels(await each(conditionsOf(first), describeCondition, (c, count) => rocChart(results, c, count)));
  const det = panels(await each(conditionsOf(first), describeCondition, (c, count) => detChart(results, c, count)));
  const cmc = panels(await each(searchConditions(first), describeSearch, (c, count) => cmcChart(results, c, count)));
  if (roc === undefined && cmc === undefined) return undefined;
  return {
    id: "curves",
    title: "Curves",
    content: html`${legend(results)}${
      roc &&
      html`<h3>ROC</h3>${roc}
<p class="note">The horizontal axis is logarithmic and starts at one false accept; its left end rests on a handful of pairs.</p>`
    }
${det && fold("DET: both errors on logarithmic axes", det)}
${cmc && html`<h3>CMC</h3>${cmc}<p class="note">Share of the probes whose mate is among the first; the rank is logarithmic.</p>`}`,
  };
}

export async function scoreSection(baseline: NamedResult, subject: NamedResult): Promise<Section | undefined> {
  const shown = baseline === subject ? [subject] : [baseline, subject];
  const charts = await Promise.all(
    conditionsOf(baseline.result).map(async (condition) => {
      const drawn = await scoreCharts(
        shown.map(({ result }) => result),
        condition,
      );
      return drawn.map((chart, i) => figure(`${describeCondition(condition)} · ${shown[i]?.name}`, chart));
    }),
  );
  const all = panels(charts.flat(), "two");
  return (
    all && {
      id: "scores",
      title: "Scores",
      content: html`<ul class="legend"><li><i style="background:var(--genuine)"></i>same person</li><li><i style="background:var(--impostor)"></i>two people</li></ul>${all}`,
    }
  );
}

export function methodSection({ protocol, bootstrap, degradations, detail }: EvaluationResult): Section {
  const verified = outcomesOf(detail, "verification");
  const thinned = verified.some(({ weight }) => weight !== undefined);
  const searched = outcomesOf(detail, "identification").length > 0;
  const pairs = protocol.kind === "pairs";
  return {
    id: "method",
    title: "How it was measured",
    content: html`${
      pairs
        ? html`<p>Each image was embedded as given${degradations.length === 0 ? "" : ` and degraded: ${degradations.join("; ")} (lr:K is reduced to K x K pixels by area and enlarged again)`}; the score of a pair is the cosine of its embeddings.
Under “mixed” each pair counts twice, once with either side degraded.</p>`
        : undefined
    }
<p>${protocol.folds > 0 ? `Accuracy: the threshold of each of ${protocol.folds} folds is the one that classifies most pairs of the other folds correctly. ` : ""}${verified.length > 0 ? "True accepts at a rate of false accepts: the most at any threshold that keeps the rate. " : ""}
${searched ? (pairs ? "Rank-1: one image of each person is enrolled as given, all others are probes; a probe counts only if its own person scores above everyone else." : "Ranks count the gallery entries of other people that score at least as high as the best mate.") : ""}</p>
<p>Intervals: ${bootstrap.resamples.toLocaleString("en")} resamples of the people with replacement (seed ${bootstrap.seed}), 2.5th to 97.5th percentile. Genuine pairs and probes count as often as their person was drawn,
impostor pairs as the product of both, so intervals are too wide rather than too narrow. The gallery and the thresholds of accuracy stay fixed. p values are two-sided and come from the same resamples of the difference;
where fewer than five of those cross zero, from the normal distribution with their standard error.${thinned ? " Of millions of comparisons the genuine and the highest impostors count in full, of the others a random sample with weights; the values themselves use all." : ""}</p>`,
  };
}

export function optionSection(run: Readonly<Record<string, string | number | boolean>>): Section | undefined {
  if (Object.keys(run).length === 0) return undefined;
  return {
    id: "options",
    title: "Options",
    content: html`<div class="scroll" tabindex="0" role="group" aria-label="table"><table class="options"><tbody>${Object.entries(
      run,
    ).map(
      ([name, value]) => html`<tr><th scope="row">${name}</th><td>${String(value)}</td></tr>`,
    )}</tbody></table></div>`,
  };
}
