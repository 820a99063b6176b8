import { PetalfaceError } from "../../errors.ts";
import { writeFileSafely } from "../../files.ts";
import { degradationLabel } from "../condition.ts";
import { outcomesOf } from "../outcomes.ts";
import { type NamedResult, percent } from "../table.ts";
import type { EvaluationResult } from "../types.ts";
import { alphaChart, conditionsOf, describeCondition, intervalChart, rocChart, scoreCharts } from "./charts.ts";
import { type Html, html, raw } from "./html.ts";
import { modelColour, style } from "./style.ts";
import { differenceTable, mainKinds, measureTable, otherKinds } from "./tables.ts";
import { headline, type NamedComparison } from "./words.ts";

/** One face in several qualities. */
export interface ReportSample {
  readonly name: string;
  readonly faces: readonly {
    /** Such as `sharp` or `16 px`. */
    readonly label: string;
    /** `data:image/png;base64,...` or `data:image/jpeg;base64,...`. */
    readonly image: string;
    readonly alpha?: number | undefined;
  }[];
}

/** What a report shows. */
export interface Report {
  readonly title: string;
  /** All of one protocol; the first is the baseline, grey in the charts. */
  readonly results: readonly NamedResult[];
  /** Models against the baseline; the headline speaks of {@link subject}, or of the last one. */
  readonly comparisons?: readonly NamedComparison[] | undefined;
  readonly subject?: string | undefined;
  readonly samples?: readonly ReportSample[] | undefined;
  /** Options and circumstances of the run, in order. */
  readonly run?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/**
 * Writes a report as one HTML file that needs no network and runs no script.
 *
 * @throws PetalfaceError without results, if they come from different protocols, or if a sample is no PNG or JPEG data URI.
 */
export async function writeReport(path: string, report: Report): Promise<void> {
  await writeFileSafely(path, await renderReport(report));
}

/** The text that {@link writeReport} writes. */
export async function renderReport(report: Report): Promise<string> {
  const { results, comparisons = [], samples = [], run = {} } = report;
  const first = results[0];
  if (first === undefined) throw new PetalfaceError("a report needs at least one result");
  const stranger = results.find(({ result }) => result.protocol.fingerprint !== first.result.protocol.fingerprint);
  if (stranger !== undefined)
    throw new PetalfaceError(
      `${stranger.name} was measured on other pairs than ${first.name}; measure both on the same protocol`,
    );
  const about = comparisons.find(({ name }) => name === report.subject) ?? comparisons.at(-1);
  const subject =
    results.find(({ name }) => name === (about?.name ?? report.subject)) ?? (results.at(-1) as NamedResult);
  const baseline = results.find(({ name }) => name === about?.against) ?? first;

  const words =
    about === undefined ? { lead: plainHeadline(subject), rest: "" } : headline(about, baseline.result, subject.result);
  const body = [
    html`<header><h1>${report.title}</h1>
<p class="lead">${words.lead}</p>
${words.rest === "" ? undefined : html`<p class="sub">${words.rest}</p>`}
${about === undefined ? undefined : identicalLine(about, baseline.name)}
<p class="sub">${counts(first.result)}</p></header>`,
    await overview(results),
    html`<h2>Measures</h2>${measureTable(results, mainKinds)}${fold(html`${measureTable(results, otherKinds)}${unresolvedNote(first.result)}`)}`,
    comparisons.length === 0 ? undefined : differences(comparisons),
    samples.length === 0 ? undefined : faces(samples),
    await rocs(results),
    await histograms(baseline, subject),
    await alphas(subject, results.indexOf(subject)),
    html`<h2>How it was measured</h2>${method(first.result)}`,
    Object.keys(run).length === 0 ? undefined : options(run),
  ];
  return `<!doctype html>
${
  html`<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${report.title}</title><style>${raw(style)}</style></head><body><main>
${body}
<footer>Written by petalface. Intervals and p values come from resampling people; see “How it was measured”.</footer>
</main></body></html>
`.html
}`;
}

function plainHeadline({ name, result }: NamedResult): string {
  const sharp = result.measures.find(({ key }) => key === "accuracy/sharp");
  const text =
    sharp === undefined
      ? ""
      : `: ${percent(sharp.value)} % accuracy on sharp faces (95 % interval ${percent(sharp.low)} to ${percent(sharp.high)})`;
  return `${name}${text}.`;
}

/** Per cent to one digit, rounded down: only all is 100. */
const shareDown = (share: number): string => percent(Math.floor(share * 1000 + 1e-9) / 1000, 1);

function identicalLine({ comparison, name }: NamedComparison, baseline: string): Html | undefined {
  const { images, pairs } = comparison.identical;
  if (pairs === undefined) return undefined;
  return html`<p class="sub">${shareDown(images)} % of the sharp faces have the same embedding in ${name} and ${baseline}, bit for bit, and
${shareDown(pairs)} % of the sharp pairs therefore the same score.</p>`;
}

function counts({ protocol, data }: EvaluationResult): string {
  const { genuine, impostor, images, people, probes, gallery } = protocol;
  const n = (count: number): string => count.toLocaleString("en");
  return `${protocol.name} on ${data.spec}: ${n(genuine)} genuine and ${n(impostor)} impostor pairs of ${n(images)} images of ${n(people)} people; ${n(probes)} probes against a gallery of ${n(gallery)}.`;
}

const legend = (results: readonly NamedResult[]): Html =>
  html`<ul class="legend">${results.map(({ name }, place) => html`<li><i style="background:${modelColour(place)}"></i>${name}</li>`)}</ul>`;

async function overview(results: readonly NamedResult[]): Promise<Html> {
  const rank1 = results.some(({ result }) => outcomesOf(result.detail, "identification").length > 0);
  return html`<h2>At a glance</h2>${legend(results)}<div class="panels wide">
<figure><h4>Verification accuracy</h4>${await intervalChart(results, "accuracy")}</figure>
${rank1 ? html`<figure><h4>Rank-1 against a sharp gallery</h4>${await intervalChart(results, "rank1")}</figure>` : undefined}</div>
<p class="note">HR: both faces sharp. LR: both degraded, a number is the side in pixels. Mixed: sharp against degraded. Lines are 95 % intervals.</p>`;
}

/** What not every reader wants to see at once; opens without a script. */
const fold = (content: Html): Html =>
  html`<details><summary>True accepts at fixed false accepts, area under the ROC, equal error rate</summary>${content}</details>`;

function differences(comparisons: readonly NamedComparison[]): Html {
  const against = [...new Set(comparisons.map((c) => c.against))].join(", ");
  const tests = comparisons.reduce((sum, { comparison }) => sum + comparison.differences.length, 0);
  return html`<h2>Differences from ${against}</h2>
<p>Each resample of people is applied to both models, so what is hard for both cancels: these intervals are the ones to judge by, not the overlap of those above.
Arrows mark p below 0.05. The tables hold ${tests} tests and p is not corrected for that.</p>${differenceTable(comparisons, mainKinds)}${fold(differenceTable(comparisons, otherKinds))}`;
}

function faces(samples: readonly ReportSample[]): Html {
  const columns = Math.max(...samples.map((sample) => sample.faces.length));
  return html`<h2>What the models see</h2><div class="faces" style="--n:${columns}">${samples.map(
    ({ name, faces: shown }) =>
      html`<div class="who">${name}</div>${Array.from({ length: columns }, (_, i) => {
        const face = shown[i];
        if (face === undefined) return html`<div></div>`;
        if (!/^data:image\/(png|jpeg);base64,[A-Za-z0-9+/]+={0,2}$/.test(face.image))
          throw new PetalfaceError(`sample ${name}, ${face.label}: is no PNG or JPEG data URI`);
        const alpha = face.alpha === undefined ? "" : `, alpha ${face.alpha.toFixed(2)}`;
        return html`<div><img src="${face.image}" alt="${name}, ${face.label}"><div class="cap">${face.label}${alpha}</div></div>`;
      })}`,
  )}</div>`;
}

async function rocs(results: readonly NamedResult[]): Promise<Html> {
  const conditions = conditionsOf((results[0] as NamedResult).result);
  const panels = await Promise.all(
    conditions.map(
      async (condition) =>
        html`<figure><h4>${describeCondition(condition)}</h4>${await rocChart(results, condition)}</figure>`,
    ),
  );
  return html`<h2>ROC</h2>${legend(results)}<div class="panels">${panels}</div>
<p class="note">The horizontal axis is logarithmic and starts at one false accept; its left end rests on a handful of pairs.</p>`;
}

async function histograms(baseline: NamedResult, subject: NamedResult): Promise<Html> {
  const shown = baseline === subject ? [subject] : [baseline, subject];
  const panels = await Promise.all(
    conditionsOf(baseline.result).map(async (condition) => {
      const charts = await scoreCharts(
        shown.map(({ result }) => result),
        condition,
      );
      return charts.map(
        (chart, i) => html`<figure><h4>${describeCondition(condition)} · ${shown[i]?.name}</h4>${chart}</figure>`,
      );
    }),
  );
  return html`<h2>Scores</h2><ul class="legend"><li><i style="background:var(--genuine)"></i>same person</li><li><i style="background:var(--impostor)"></i>two people</li></ul>
<div class="panels two">${panels}</div>`;
}

async function alphas({ name, result }: NamedResult, place: number): Promise<Html | undefined> {
  const entries = result.detail.alphas;
  if (entries.length === 0) return undefined;
  const panels = await Promise.all(
    entries.map(async ({ degradation, alpha }) => {
      const open = alpha.reduce((sum, value) => sum + (value === 1 ? 1 : 0), 0) / alpha.length;
      return html`<figure><h4>${degradation === null ? "sharp" : degradationLabel(degradation)}</h4>${await alphaChart(alpha, modelColour(place))}
<figcaption>${percent(open, 1)} % exactly 1</figcaption></figure>`;
    }),
  );
  return html`<h2>Alpha of ${name}</h2><p>What the model takes the quality of each face for: 1 is sharp, 0 is the worst it was trained on.</p>
<div class="panels">${panels}</div>`;
}

function unresolvedNote({ unresolved }: EvaluationResult): Html | undefined {
  if (unresolved.length === 0) return undefined;
  const rates = [...new Set(unresolved.map(({ far }) => `${Number((far * 100).toPrecision(6))} %`))].join(", ");
  return html`<p class="note">Not measured everywhere: true accepts at ${rates} false accepts, where the protocol has too few impostor pairs for a single one to pass.</p>`;
}

function method({ protocol, bootstrap, degradations }: EvaluationResult): Html {
  return html`<p>Each image was embedded sharp${degradations.length === 0 ? "" : ` and degraded: ${degradations.join("; ")} (lr:K is shrunk to K x K pixels by area and enlarged back)`}; the score of a pair is the cosine of its embeddings.
Under “mixed” each pair counts twice, once with either side degraded.</p>
<p>Accuracy: the threshold of each of ${protocol.folds} folds is the one that judges most pairs of the other folds right. True accepts at a rate of false accepts: the most at any threshold that keeps the rate.
Rank-1: one sharp image of each person is enrolled, all others are probes; a probe counts only if its own person scores above everyone else.</p>
<p>Intervals: ${bootstrap.resamples.toLocaleString("en")} resamples of the people with replacement (seed ${bootstrap.seed}), 2.5th to 97.5th percentile. Genuine pairs and probes count as often as their person was drawn,
impostor pairs as the product of both, which makes intervals rather too wide than too narrow. The gallery and the thresholds of accuracy stay fixed. p values are two-sided and come from the same resamples of the difference.</p>`;
}

function options(run: NonNullable<Report["run"]>): Html {
  return html`<h2>Options</h2><div class="scroll"><table class="options"><tbody>${Object.entries(run).map(
    ([name, value]) => html`<tr><th scope="row">${name}</th><td>${String(value)}</td></tr>`,
  )}</tbody></table></div>`;
}
