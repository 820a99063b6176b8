import type { TopLevelSpec } from "vega-lite";
import type { NamedResult } from "../results/table.ts";
import { type Html, html, raw } from "./html.ts";
import { modelColour } from "./style.ts";

/** Size of a chart in pixels, axes not included. */
export interface ChartSize {
  readonly width: number;
  readonly height: number;
}

/** Charts in one row of a wide page, at most. */
const mostAcross = 4;
/** Sizes of one, two, three and four charts in a row. */
const sizes: readonly ChartSize[] = [
  { width: 1060, height: 260 },
  { width: 500, height: 210 },
  { width: 320, height: 180 },
  { width: 232, height: 165 },
];
const phone: ChartSize = { width: 270, height: 180 };

/** How many of these charts stand in one row: rows are as even as they can be. */
export function acrossOf(count: number): number {
  const rows = Math.ceil(count / mostAcross);
  return Math.max(1, Math.ceil(count / Math.max(1, rows)));
}

const config = {
  background: "transparent",
  font: "system-ui, -apple-system, Segoe UI, Roboto, sans-serif",
  view: { stroke: "transparent" },
  axis: {
    labelColor: "var(--soft)",
    titleColor: "var(--soft)",
    gridColor: "var(--line)",
    domainColor: "var(--soft)",
    tickColor: "var(--soft)",
    labelFontSize: 11,
    titleFontSize: 11,
    titleFontWeight: 400,
    titlePadding: 8,
  },
} as const;

/**
 * Draws a chart to SVG, without a browser. Colours are the page's CSS variables, so charts follow
 * light and dark.
 */
export async function draw(spec: object): Promise<Html> {
  // Loaded here, because most commands draw nothing and these take longer to load than all else.
  const [{ parse, View }, { compile }] = await Promise.all([import("vega"), import("vega-lite")]);
  const full = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", config, ...spec } as TopLevelSpec;
  const view = new View(parse(compile(full).spec), { renderer: "none" });
  try {
    return raw(await view.toSVG());
  } finally {
    view.finalize();
  }
}

/**
 * One of `count` charts of a row. Charts that are much wider than a phone are drawn for both, and
 * the page shows the one that fits: text then has a readable size.
 */
export async function drawOneOf(count: number, spec: (size: ChartSize) => object): Promise<Html> {
  const size = sizes[acrossOf(count) - 1] ?? phone;
  const wide = await draw(spec(size));
  if (acrossOf(count) > 2) return wide;
  return html`<div class="for-desk">${wide}</div><div class="for-phone">${await draw(spec(phone))}</div>`;
}

/** One colour a model, by its place in the report. */
export const colourScale = (results: readonly NamedResult[]) => ({
  domain: results.map((_, place) => place),
  range: results.map((_, place) => modelColour(place)),
});

/** Keeps the points that differ visibly from the last one kept: by one unit of either axis. */
export function thin<T>(points: readonly T[], x: (point: T) => number, y: (point: T) => number): readonly T[] {
  let kept: T | undefined;
  return points.filter((point, index) => {
    const keep =
      kept === undefined ||
      index === points.length - 1 ||
      Math.abs(x(point) - x(kept)) > 1 ||
      Math.abs(y(point) - y(kept)) > 1;
    if (keep) kept = point;
    return keep;
  });
}

/** A stepped curve of each model over x, from 0 to 100 per cent; one of `count` charts. */
export const drawSteps = (
  {
    results,
    values,
    count,
  }: { readonly results: readonly NamedResult[]; readonly values: readonly object[]; readonly count: number },
  x: object,
  y: { readonly field: string; readonly title: string },
  more: object = {},
): Promise<Html> =>
  drawOneOf(count, (size) => ({
    ...size,
    data: { values },
    mark: { type: "line", interpolate: "step-after", strokeWidth: 1.8, clip: true },
    encoding: {
      x: { ...x, type: "quantitative" },
      y: { ...y, type: "quantitative", scale: { domain: [0, 100] }, axis: { tickCount: 5 } },
      color: { field: "place", type: "ordinal", scale: colourScale(results), legend: null },
      ...more,
    },
  }));
