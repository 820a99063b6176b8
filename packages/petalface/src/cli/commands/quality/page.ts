import { itemAt } from "onnx-grad";
import type { ScoredFace } from "../../../api/quality/examples.ts";
import { type Html, html, raw, reportStyle } from "../../../evaluation/index.ts";
import { printArgument } from "../../../print-path.ts";
import type { Histogram } from "../../../quality/index.ts";

/** What a page on quality shows. */
export interface QualityPage {
  readonly data: string;
  readonly faces: number;
  /** What the set is, in words and in a sentence; undefined where no measure saw the faces. */
  readonly set?: { readonly kind: string; readonly text: string | undefined } | undefined;
  readonly measures: readonly {
    readonly name: string;
    readonly note: string;
    readonly scores: Histogram;
    readonly alpha?: Histogram | undefined;
    /** How many faces have an alpha below 1, where there are alphas. */
    readonly below?: number | undefined;
    /** From the lowest score to the highest. */
    readonly examples: readonly ScoredFace[];
  }[];
  /** Tables below the histograms: heading row first. */
  readonly tables: readonly {
    readonly title: string;
    readonly note: string;
    readonly rows: readonly (readonly string[])[];
  }[];
}

const style = `${reportStyle}
.scale{display:grid;grid-template-columns:repeat(auto-fill,minmax(84px,1fr));gap:12px 10px;list-style:none;margin:14px 0 6px;padding:0}
.scale li{font-size:12.5px;line-height:1.35;font-variant-numeric:tabular-nums;overflow-wrap:anywhere;break-inside:avoid}.scale img{display:block;width:100%;height:auto;aspect-ratio:1;border-radius:6px;background:var(--wash);margin-bottom:4px}.scale small{color:var(--soft)}
.bars svg{height:130px}.bars .ends{display:flex;justify-content:space-between;color:var(--soft);font-size:13px}`;

function bars({ low, high, counts }: Histogram, label: string): Html {
  const height = 120;
  const most = Math.max(1, ...counts);
  return html`<figure class="bars"><p class="figure-title">${label}</p><svg viewBox="0 0 ${counts.length} ${height}" preserveAspectRatio="none" role="img" aria-label="${label}: ${counts.length} bins from ${low.toFixed(2)} to ${high.toFixed(2)}">
${counts.map((count, i) => {
  const tall = (height * count) / most;
  return html`<rect x="${i}" y="${(height - tall).toFixed(2)}" width="0.92" height="${tall.toFixed(2)}" fill="var(--m1)"><title>${count} faces</title></rect>`;
})}</svg><div class="ends"><span>${low.toFixed(2)}</span><span>${high.toFixed(2)}</span></div></figure>`;
}

const count = (n: number): string => n.toLocaleString("en");

/** What the page opens with: how many faces the adapter works on, or else what the set is. */
function lead({ data, faces, set, measures }: QualityPage): string {
  const [first] = measures;
  if (first?.below !== undefined)
    return `Of ${count(faces)} faces of ${data}, ${count(first.below)} have an alpha below 1: the adapter works on them. The others keep the frozen model's embedding.`;
  return `${count(faces)} faces of ${data}${set === undefined ? "" : `: ${set.kind}`}.`;
}

function scaleOf({ name, examples }: QualityPage["measures"][number]): Html | undefined {
  if (examples.length === 0) return undefined;
  return html`<ol class="scale">${examples.map(
    ({ name: face, score, alpha, image }) =>
      html`<li><img src="${image}" width="112" height="112" alt="${face}, ${name} ${score.toFixed(3)}"><b>${score.toFixed(3)}</b>${
        alpha === undefined ? undefined : html`<br>alpha ${alpha.toFixed(2)}`
      }</li>`,
  )}</ol>
<p class="note">From the lowest score to the highest, evenly spaced over all faces.</p>`;
}

function next({ measures, data }: QualityPage): Html {
  const calibrated = itemAt(measures, 0).below !== undefined;
  return html`<section class="next"><h2>What to do next</h2><ol>${
    calibrated
      ? html`<li>Faces that look poor should have an alpha near 0, and sharp ones 1. If they do not, train with another range: <code>petalface adapt --help</code> explains <code>--alpha-range</code>.</li>
<li>Measure what the adapter does for them: <code>petalface evaluate</code>.</li>`
      : html`<li>The faces at their scores should go from poor to sharp. If they do not, try another measure with <code>--metric</code>.</li>
<li>Compare measures on known degradations: <code>petalface quality ${printArgument(data)} --degraded</code>.</li>
<li>Train with the measure that ranks these faces best: <code>petalface adapt --quality NAME</code>.</li>`
  }</ol></section>`;
}

/**
 * One self-contained page: faces at their scores, histograms of scores and alphas, and tables.
 */
export function renderQualityPage(page: QualityPage): string {
  const { data, set, measures, tables } = page;
  return html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Quality of ${data}</title><style>${raw(style)}</style></head><body><main>
<header><h1>petalface quality: ${data}</h1><p class="lead">${lead(page)}</p>
${set?.text === undefined ? undefined : html`<p class="sub">The set: ${set.text}.</p>`}</header>
${measures.map((measure, place) => {
  const { name, note, scores, alpha } = measure;
  return html`<section><h2>${name}</h2>${scaleOf(measure)}${note === "" ? undefined : html`<p>${note}</p>`}
<div class="panels across-${alpha === undefined ? 1 : 2}">${bars(scores, `scores of ${name}`)}${alpha && bars(alpha, `alpha of ${name}`)}</div></section>${place === 0 ? next(page) : undefined}`;
})}
${tables.map(
  ({
    title,
    note,
    rows: [head = [], ...rows],
  }) => html`<section><h2>${title}</h2><p class="note">${note}</p><div class="scroll" tabindex="0" role="group" aria-label="table"><table>
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead><tbody>
${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div></section>`,
)}
</main></body></html>
`.html;
}
