import { colours, figure, label, path } from "./svg.ts";

/** A value in per cent, with its 95 % interval. */
interface Point {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Points of one method, one for each place on the axis. */
export interface Series {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly Point[];
}

export interface Chart {
  /** What it shows, for screen readers and as the heading. */
  readonly title: string;
  /** What the values are, and where they are from. */
  readonly note: string;
  /** Names of the places on the axis. */
  readonly places: readonly string[];
  readonly series: readonly Series[];
}

const frame = { width: 760, left: 48, top: 62, height: 220 };
const bottom = frame.top + frame.height;
const y = (value: number, most: number): number => bottom - (value / most) * frame.height;

/** The largest value that the axis shows: a multiple of 20. */
const mostOf = ({ series }: Chart): number =>
  Math.max(20, Math.ceil(Math.max(...series.flatMap(({ points }) => points.map(({ high }) => high))) / 20) * 20);

function axis({ title, note }: Chart, most: number, right: number): string[] {
  const ticks = Array.from({ length: most / 20 + 1 }, (_, at) => at * 20);
  return [
    label(28, 36, title, { size: 17, bold: true }),
    ...ticks.flatMap((tick) => [
      `<path d="M${frame.left} ${y(tick, most)}H${right}" stroke="#d8dee4"/>`,
      label(frame.left - 8, y(tick, most) + 4, String(tick), { size: 12, colour: colours.quiet, anchor: "end" }),
    ]),
    label(28, bottom + 50, note, { size: 13, colour: colours.quiet }),
  ];
}

/** A 95 % interval: a line with a mark at each end. */
const interval = (x: number, { low, high }: Point, most: number): string =>
  `<path d="M${x} ${y(high, most).toFixed(1)}V${y(Math.max(0, low), most).toFixed(1)}M${x - 4} ${y(high, most).toFixed(1)}h8M${x - 4} ${y(Math.max(0, low), most).toFixed(1)}h8" stroke="${colours.ink}" fill="none"/>`;

/** The values as one sentence for each method: the text alternative. */
export const describe = ({ places, series }: Chart): string =>
  series
    .map(
      ({ name, points }) =>
        `${name}: ${points.map(({ value }, at) => `${places[at]} ${value.toFixed(1)}`).join(", ")}.`,
    )
    .join(" ");

/** Bars of all methods next to each other, in a group for each place. */
export function barChart(chart: Chart): string {
  const most = mostOf(chart);
  const right = frame.width - 20;
  const group = (right - frame.left) / chart.places.length;
  const bar = Math.min(44, (group - 20) / chart.series.length);
  const bars = chart.series.flatMap(({ colour, points }, each) =>
    points.flatMap((point, at) => {
      const left = frame.left + group * (at + 0.5) + bar * (each - chart.series.length / 2);
      const top = y(point.value, most);
      return [
        `<rect x="${left.toFixed(1)}" y="${top.toFixed(1)}" width="${(bar - 3).toFixed(1)}" height="${(bottom - top).toFixed(1)}" fill="${colour}"/>`,
        interval(Math.round(left + bar / 2 - 1.5), point, most),
        label(Math.round(left + bar / 2 - 1.5), y(point.high, most) - 6, point.value.toFixed(0), {
          size: 12,
          anchor: "middle",
        }),
      ];
    }),
  );
  const names = chart.places.map((place, at) =>
    label(frame.left + group * (at + 0.5), bottom + 20, place, { anchor: "middle", size: 13 }),
  );
  const step = (right - frame.left) / chart.series.length;
  const legend = chart.series.flatMap(({ name, colour }, at) => [
    `<rect x="${(frame.left + at * step).toFixed(1)}" y="${bottom + 62}" width="14" height="14" fill="${colour}"/>`,
    label(Math.round(frame.left + at * step + 20), bottom + 74, name, { size: 13 }),
  ]);
  const parts = [...axis(chart, most, right), ...bars, ...names, ...legend];
  return figure(frame.width, bottom + 92, `${chart.title}. ${describe(chart)}`, parts);
}

/** Moves labels apart that would cover each other, from the top down. */
function spread(wanted: readonly number[]): number[] {
  const places = [...wanted];
  const order = places.map((_, at) => at).sort((a, b) => (wanted[a] ?? 0) - (wanted[b] ?? 0));
  let last = Number.NEGATIVE_INFINITY;
  for (const at of order) {
    last = Math.max(wanted[at] ?? 0, last + 17);
    places[at] = last;
  }
  return places;
}

/** A line for each method over the places, with its name at its end. */
export function lineChart(chart: Chart): string {
  const most = mostOf(chart);
  const right = frame.width - 190;
  const between = (right - frame.left - 60) / (chart.places.length - 1);
  // Each method a little to the right of the one before, so that intervals do not cover each other.
  const x = (at: number, each = (chart.series.length - 1) / 2): number =>
    frame.left + 30 + at * between + 7 * (each - (chart.series.length - 1) / 2);
  const ends = spread(chart.series.map(({ points }) => y(points.at(-1)?.value ?? 0, most) + 5));
  const lines = chart.series.flatMap(({ name, colour, points }, each) => [
    ...points.map((point, at) => interval(Math.round(x(at, each)), point, most)),
    path(
      points.map(({ value }, at) => [Math.round(x(at, each)), y(value, most)] as const),
      colour,
    ),
    ...points.map(
      ({ value }, at) =>
        `<circle cx="${Math.round(x(at, each))}" cy="${y(value, most).toFixed(1)}" r="4" fill="${colour}"/>`,
    ),
    label(right + 8, Math.round(ends[each] ?? 0), `${name}, ${points.at(-1)?.value.toFixed(0)}`, {
      colour,
      size: 13,
      bold: true,
    }),
  ]);
  const names = chart.places.map((place, at) =>
    label(Math.round(x(at)), bottom + 20, place, { anchor: "middle", size: 13 }),
  );
  const parts = [...axis(chart, most, right), ...lines, ...names];
  return figure(frame.width, bottom + 68, `${chart.title}. ${describe(chart)}`, parts);
}
