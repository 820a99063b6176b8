import type { TopLevelSpec } from "vega-lite";
import type { NamedResult } from "../results/table.ts";
import { type Html, raw } from "./html.ts";
import { modelColour } from "./style.ts";

/** Size of one of several charts side by side. */
export const panel = { width: 248, height: 170 };
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
