import type { Histogram } from "../../../quality/index.ts";

/** Markup that is safe to insert as it stands. */
interface Html {
  readonly html: string;
}

type Part = string | number | Html | undefined | readonly Part[];

function render(part: Part): string {
  if (part === undefined) return "";
  if (typeof part === "string" || typeof part === "number")
    return String(part)
      .toWellFormed()
      .replace(/[^\P{Cc}\t\n]/gu, "\ufffd")
      .replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
  return "html" in part ? part.html : part.map(render).join("");
}

/** A template whose values are escaped, except what is {@link Html} already. */
const html = (strings: TemplateStringsArray, ...parts: readonly Part[]): Html => ({
  html: strings.reduce((out, text, index) => out + render(parts[index - 1]) + text),
});

const style = `:root{color-scheme:light dark;--ink:#1b1e23;--soft:#5b6470;--line:#dfe3e8;--bar:#1f6feb}
@media(prefers-color-scheme:dark){:root{--ink:#e7eaee;--soft:#9aa4b1;--line:#2c323a;--bar:#6aa8ff}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);max-width:1040px;margin:0 auto;padding:40px 24px}
figure{display:inline-block;margin:12px 32px 12px 0}figcaption,.note{color:var(--soft);font-size:14px}h1{font-size:15px;color:var(--soft)}
.lead{font-size:26px;font-weight:600}.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:14px}
th,td{padding:6px 14px 6px 0;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}`;

/** What a page on quality shows. */
export interface QualityPage {
  readonly data: string;
  readonly faces: number;
  readonly measures: readonly {
    readonly name: string;
    readonly note: string;
    readonly scores: Histogram;
    readonly alpha?: Histogram | undefined;
  }[];
  /** Tables below the histograms: heading row first. */
  readonly tables: readonly {
    readonly title: string;
    readonly note: string;
    readonly rows: readonly (readonly string[])[];
  }[];
}

function bars({ low, high, counts }: Histogram, label: string): Html {
  const [width, height, most] = [420, 120, Math.max(1, ...counts)];
  const step = width / counts.length;
  return html`<figure><svg viewBox="0 0 ${width} ${height + 22}" width="${width}" role="img" aria-label="${label}: ${counts.length} bins from ${low.toFixed(2)} to ${high.toFixed(2)}">
${counts.map((count, i) => {
  const tall = (height * count) / most;
  return html`<rect x="${(i * step).toFixed(2)}" y="${(height - tall).toFixed(2)}" width="${(step - 1).toFixed(2)}" height="${tall.toFixed(2)}" fill="var(--bar)"><title>${count} faces</title></rect>`;
})}
<text x="0" y="${height + 16}" font-size="11" fill="var(--soft)">${low.toFixed(2)}</text><text x="${width}" y="${height + 16}" font-size="11" text-anchor="end" fill="var(--soft)">${high.toFixed(2)}</text></svg>
<figcaption>${label}</figcaption></figure>`;
}

/** One self-contained page: histograms of scores and alphas, and tables. */
export function renderQualityPage({ data, faces, measures, tables }: QualityPage): string {
  return html`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Quality of ${data}</title><style>${{ html: style }}</style></head><body><main>
<h1>petalface quality</h1><p class="lead">${faces.toLocaleString("en")} faces of ${data}</p>
${measures.map(
  ({ name, note, scores, alpha }) =>
    html`<h2>${name}</h2><p>${note}</p>${bars(scores, `scores of ${name}`)}${alpha && bars(alpha, `alpha of ${name}`)}`,
)}
${tables.map(
  ({
    title,
    note,
    rows: [head = [], ...rows],
  }) => html`<h2>${title}</h2><p class="note">${note}</p><div class="scroll"><table>
<thead><tr>${head.map((cell) => html`<th>${cell}</th>`)}</tr></thead><tbody>
${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`,
)}
</main></body></html>
`.html;
}
