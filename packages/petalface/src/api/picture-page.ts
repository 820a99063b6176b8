import sharp from "sharp";
import { type Html, html, raw, reportStyle } from "../evaluation/index.ts";
import { fromPlanes, type ImageSource, type Loader } from "../images/index.ts";

/** Rows of a section that the page shows, and pictures of one row. */
export const mostRows = 100;
export const mostPictures = 8;
const thumbnail = 84;

/** A picture of a page. */
export interface PagePicture {
  /** Data URI; undefined where there is no picture to show. */
  readonly image: string | undefined;
  /** What it is; shown below it. */
  readonly caption: string;
}

/** Some pictures, and a line about them. */
export interface PageRow {
  readonly pictures: readonly PagePicture[];
  readonly text: string;
}

/** One kind of finding. */
export interface PageSection {
  readonly title: string;
  readonly about: string;
  /** The first {@link mostRows}. */
  readonly rows: readonly PageRow[];
  /** How many there are. */
  readonly count: number;
}

/** A page of findings. */
export interface PicturePage {
  readonly title: string;
  readonly lead: string;
  readonly sections: readonly PageSection[];
}

const format = (count: number): string => count.toLocaleString("en");

/** Findings with pictures as one HTML file that needs nothing else. */
export function renderPicturePage({ title, lead, sections }: PicturePage): string {
  const body = html`<header><h1>${title}</h1>
<p class="lead">${lead}</p>
<p class="sub">${sections.map(({ title: what, count }) => `${what}: ${format(count)}`).join(" · ")}</p></header>
${sections.map(renderSection)}`;
  return `<!doctype html>
${
  html`<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title><style>${raw(`${reportStyle}
.row{display:flex;flex-wrap:wrap;gap:10px;margin:14px 0 4px}.row figure{width:${thumbnail}px;margin:0}.row img{width:${thumbnail}px;height:${thumbnail}px;border-radius:6px;display:block}
.row figcaption{font-size:12px;overflow-wrap:anywhere}.row .none{width:${thumbnail}px;height:${thumbnail}px;border-radius:6px;border:1px dashed var(--line);background:var(--wash)}`)}</style></head><body><main>
${body}
<footer>Written by petalface. The pictures are in this file: it is as private as they are.</footer></main></body></html>
`.html
}`;
}

function renderSection({ title, about, rows, count }: PageSection): Html {
  const left = count - rows.length;
  return html`<h2>${title}: ${format(count)}</h2><p class="note">${about}</p>${rows.map(
    ({ pictures, text }) =>
      html`<div class="row">${pictures.map(
        ({ image, caption }) =>
          html`<figure>${image === undefined ? html`<div class="none"></div>` : html`<img alt="${caption}" src="${image}">`}<figcaption>${caption}</figcaption></figure>`,
      )}</div><p class="note">${text}</p>`,
  )}${left > 0 ? html`<p class="note">${format(left)} more are in the JSON output.</p>` : undefined}`;
}

/** A face as the loader gives it, small, as a data URI; undefined where it cannot be read. */
export async function thumbnailOf(
  loader: Pick<Loader, "load" | "size">,
  source: ImageSource,
): Promise<string | undefined> {
  let bad = false;
  const planes = await loader.load([{ source, flip: false }], () => {
    bad = true;
  });
  if (bad) return undefined;
  const jpeg = await sharp(fromPlanes(planes), { raw: { width: loader.size, height: loader.size, channels: 3 } })
    .resize(thumbnail)
    .jpeg({ quality: 80 })
    .toBuffer();
  return `data:image/jpeg;base64,${jpeg.toString("base64")}`;
}
