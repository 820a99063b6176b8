import { itemAt, lastOf } from "onnx-grad";
import { PetalfaceError } from "../../errors.ts";
import { writeFileSafely } from "../../files.ts";
import { printIntervals } from "../protocols/pairs.ts";
import { measureLabel } from "../results/condition.ts";
import { givenFaces, printIdentical, printResolution } from "../results/legend.ts";
import { percent } from "../results/percent.ts";
import type { NamedResult } from "../results/table.ts";
import type { EvaluationResult } from "../results/types.ts";
import { findAtAlarms } from "../statistics/alarms.ts";
import { correctForMany } from "../statistics/compare.ts";
import type { Grouping } from "../statistics/groups.ts";
import { advise, type NamedModel, nextSteps } from "./advice.ts";
import { foundWords } from "./found-words.ts";
import { groupSection } from "./group-section.ts";
import { type Html, html, raw } from "./html.ts";
import { type NearestPicture, nearestSection } from "./nearest-section.ts";
import { type HardestPairs, hardestSection, type ReportSample, sampleSection } from "./pictures.ts";
import {
  curveSection,
  differenceSection,
  measureSection,
  methodSection,
  optionSection,
  overviewSection,
  qualitySection,
  resolutionSection,
  scoreSection,
} from "./sections.ts";
import { style } from "./style.ts";
import { tiles } from "./tiles.ts";
import { viewSection } from "./view-charts.ts";
import type { EmbeddingView } from "./views.ts";
import { headline, type NamedComparison, subjectOf } from "./words.ts";

/** What a report shows. */
export interface Report {
  readonly title: string;
  /** All of one protocol; the first is the baseline, grey in the charts. */
  readonly results: readonly NamedResult[];
  /** Models against the baseline; the headline speaks of {@link subject}, or of the last one. */
  readonly comparisons?: readonly NamedComparison[] | undefined;
  readonly subject?: string | undefined;
  readonly samples?: readonly ReportSample[] | undefined;
  readonly hardest?: HardestPairs | undefined;
  /** Probes and the people that are nearest to them: what the page opens with. */
  readonly nearest?: NearestPicture | undefined;
  /** How the commands of "What to do next" name the model and the adapter. */
  readonly named?: NamedModel | undefined;
  /** Groups of people to look at one by one. */
  readonly groups?: Grouping | undefined;
  /** Some faces to show on a map. */
  readonly view?: EmbeddingView | undefined;
  /** Options and circumstances of the run, in order. */
  readonly run?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/**
 * Writes a report as one HTML file that needs no network and runs no script.
 *
 * @throws PetalfaceError without results, if they come from different protocols, or if a sample is
 * not a PNG or JPEG data URI.
 */
export async function writeReport(path: string, report: Report): Promise<void> {
  await writeFileSafely(path, await renderReport(report));
}

/** The text that {@link writeReport} writes. */
export async function renderReport(report: Report): Promise<string> {
  const { results, samples = [], run = {} } = report;
  const comparisons = corrected(report.comparisons ?? []);
  const first = results[0];
  if (first === undefined) throw new PetalfaceError("PETAL_ARGUMENT_INVALID", "a report needs at least one result");
  const stranger = results.find(({ result }) => result.protocol.fingerprint !== first.result.protocol.fingerprint);
  if (stranger !== undefined)
    throw new PetalfaceError(
      "PETAL_RESULT_MISMATCH",
      `${stranger.name} was measured on other pairs than ${first.name}; measure both on the same protocol`,
    );
  const about = comparisons.find(({ name }) => name === report.subject) ?? comparisons.at(-1);
  const subject = results.find(({ name }) => name === (about?.name ?? report.subject)) ?? lastOf(results);
  const baseline = results.find(({ name }) => name === about?.against) ?? first;

  const found = findAtAlarms(subject.result, about && baseline.result);
  const sentence = found && foundWords(found, subject.name);
  const words =
    about === undefined ? { lead: plainHeadline(subject), rest: "" } : headline(about, baseline.result, subject.result);
  const [lead] = about === undefined ? [] : subjectOf(about.comparison, givenFaces(baseline.result));
  const advice = about && advise(about.comparison, lead, found, report.named);
  const sections = [
    await overviewSection(results),
    sampleSection(samples),
    measureSection(results),
    differenceSection(comparisons, results),
    await resolutionSection(results),
    hardestSection(report.hardest),
    await qualitySection(results, subject),
    groupSection(subject, report.groups),
    await viewSection(report.view),
    await curveSection(results),
    await scoreSection(baseline, subject),
    methodSection(first.result),
    optionSection(run),
  ].filter((section) => section !== undefined);
  const body = html`<header><h1>${report.title}</h1>
<p class="lead">${sentence?.lead ?? words.lead}</p>
${sentence && html`<p class="sub">${sentence.detail}</p>`}
${advice && html`<p class="verdict ${advice.look}"><strong>${advice.word}.</strong> ${advice.why}</p>`}</header>
${nearestSection(report.nearest, found)}
${advice && nextSteps(advice)}
<div class="more"><p class="sub">${[...(sentence ? [words.lead] : []), words.rest].filter((text) => text !== "").join(" ")}</p>
${about === undefined ? undefined : tiles(about, baseline.result, subject.result)}
${about === undefined ? undefined : identicalLine(about, baseline.name)}
<p class="sub">${counts(first.result)}</p></div>
<nav aria-label="Contents"><ol>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ol></nav>
${sections.map(({ id, title, content }) => html`<section id="${id}"><h2>${title}</h2>${content}</section>`)}`;
  return `<!doctype html>
${
  html`<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${report.title}</title><style>${raw(style)}</style></head><body><main>
${body}
<footer>Written by petalface. Intervals and p values come from resampling people; see <a href="#method">How it was measured</a>.</footer>
</main></body></html>
`.html
}`;
}

/** All comparisons stand in one table: their p values are corrected together. */
function corrected(comparisons: readonly NamedComparison[]): readonly NamedComparison[] {
  const together = correctForMany(comparisons.map(({ comparison }) => comparison));
  return comparisons.map((named, i) => ({ ...named, comparison: itemAt(together, i) }));
}

function plainHeadline({ name, result }: NamedResult): string {
  const { measures } = result;
  const first =
    measures.find(({ key }) => key === "accuracy/sharp") ??
    measures.find(({ kind }) => kind !== "auc" && kind !== "eer") ??
    measures[0];
  if (first === undefined) return `${name}.`;
  const what = first.key === "accuracy/sharp" ? `accuracy on ${givenFaces(result)}` : measureLabel(first);
  return `${name}: ${percent(first.value)} % ${what} (95 % interval ${percent(first.low)} to ${percent(first.high)}).`;
}

const identicalLine = ({ comparison, name }: NamedComparison, baseline: string): Html =>
  html`<p class="sub">${name} and ${baseline}: ${printIdentical(comparison.identical)}.</p>`;

function counts(result: EvaluationResult): string {
  const { protocol, data } = result;
  const { genuine, impostor, images, people, probes, gallery } = protocol;
  const n = (count: number): string => count.toLocaleString("en");
  const pairs = genuine + impostor === 0 ? "" : `${n(genuine)} genuine and ${n(impostor)} impostor pairs of `;
  const searches = probes === 0 ? "" : `; ${n(probes)} probes against a gallery of ${n(gallery)}`;
  const guessed = protocol.guessed ? ` ${printIntervals(protocol)}.` : "";
  const given = printResolution(result);
  const detail = given === undefined ? "" : ` As given: ${given}.`;
  return `${protocol.name} on ${data.spec}: ${pairs}${n(images)} images of ${n(people)} people${searches}.${detail}${guessed}`;
}
