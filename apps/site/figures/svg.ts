/** The few shapes that the figures are made of, as SVG text. Coordinates are in pixels. */

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

export const colours = {
  ink: "#1f2328",
  quiet: "#656d76",
  frozen: "#57606a",
  adapter: "#bf3989",
  right: "#1a7f37",
  paper: "#ffffff",
  area: "#f6f8fa",
};

export interface TextStyle {
  readonly size?: number;
  readonly colour?: string;
  readonly anchor?: "start" | "middle" | "end";
  readonly bold?: boolean;
}

export function label(x: number, y: number, text: string, style: TextStyle = {}): string {
  const { size = 14, colour = colours.ink, anchor = "start", bold = false } = style;
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}" text-anchor="${anchor}"${bold ? ' font-weight="600"' : ""}>${escapeXml(text)}</text>`;
}

export const box = (
  x: number,
  y: number,
  width: number,
  height: number,
  stroke: string,
  fill: string = colours.area,
): string =>
  `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="6" fill="${fill}" stroke="${stroke}" stroke-width="1.5"/>`;

/** A line through points; `arrow` puts a head on its end. */
export function path(points: readonly (readonly [number, number])[], stroke: string, arrow = false): string {
  const steps = points.map(([x, y], at) => `${at === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  return `<path d="${steps}" fill="none" stroke="${stroke}" stroke-width="2"${arrow ? ` marker-end="url(#head)"` : ""}/>`;
}

/** A picture of a JPEG's bytes. */
export const picture = (x: number, y: number, side: number, jpeg: Uint8Array): string =>
  `<image x="${x}" y="${y}" width="${side}" height="${side}" href="data:image/jpeg;base64,${Buffer.from(jpeg).toString("base64")}"/>`;

/**
 * A whole figure on white, so that it reads on dark pages too.
 *
 * @param title what it shows, for screen readers
 */
export function figure(width: number, height: number, title: string, parts: readonly string[]): string {
  const head = `<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0L8 4L0 8z" fill="${colours.quiet}"/></marker>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif">
<title>${escapeXml(title)}</title>
<defs>${head}</defs>
<rect width="${width}" height="${height}" rx="8" fill="${colours.paper}"/>
${parts.join("\n")}
</svg>
`;
}
