import { itemAt } from "onnx-grad";
import type { Ladder } from "../../../api/quality/ladders.ts";
import type { MeasuredQuality, QualityFindings } from "../../../api/quality/measure.ts";
import { histogramOf, printCalibration, printSet, quantile, type SetFindings } from "../../../quality/index.ts";
import { withFlags } from "../../flags.ts";
import { plainTable } from "../../table.ts";
import type { QualityPage } from "./page.ts";

/** Bins of a histogram on one line, and on a page. */
const [textBins, pageBins] = [24, 48];
const blocks = " ▁▂▃▄▅▆▇█";

function summarise(values: Float32Array): Record<string, number> {
  const at = (share: number): number => quantile(values, share);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, min: at(0), p05: at(0.05), median: at(0.5), p95: at(0.95), max: at(1) };
}

/** A histogram on one line. */
function sparkline(values: Float32Array): string {
  const { low, high, counts } = histogramOf(values, textBins);
  const most = Math.max(1, ...counts);
  const bar = counts.map((count) => blocks[count === 0 ? 0 : 1 + Math.floor((7 * count) / most)]).join("");
  return `${low.toFixed(2)} |${bar}| ${high.toFixed(2)}`;
}

/** Rows of a table: every pair of measures, heading first. */
function agreementRows(names: readonly string[], values: readonly (readonly number[])[]): string[][] {
  return [
    ["measure", ...names],
    ...names.map((name, i) => [name, ...(values[i] ?? []).map((value) => value.toFixed(3))]),
  ];
}

const ladderRows = (ladders: readonly Ladder[]): string[][] => [
  ["measure", "degradation", "median score at each step", "towards lower quality"],
  ...ladders.map(({ measure, degradation, steps, towardsPoorer }) => [
    measure,
    degradation,
    steps.map(({ spec, median }) => `${median.toFixed(2)} (${spec})`).join("  "),
    `${(100 * towardsPoorer).toFixed(0)} %`,
  ]),
];

/** What a page calls a set. */
const kinds: Readonly<Record<SetFindings["kind"], string>> = {
  sharp: "sharp faces",
  mixed: "sharp and blurred faces together",
  blurred: "blurred faces",
  unknown: "it is not clear whether they are sharp",
};

/** What `petalface adapt` would make of a measure on this set. */
const printFit = (fit: MeasuredQuality["fit"]): string | undefined =>
  fit &&
  ("fitted" in fit ? `adapt would fit: ${printCalibration(fit.fitted)}` : `adapt would fit no range: ${fit.reason}`);

/** What compares the measures, as tables of text and page. */
function tablesOf({ measures, agreement, ladders }: QualityFindings): QualityPage["tables"] {
  const names = measures.map(({ name }) => name);
  return [
    ...(names.length > 1
      ? [
          {
            title: "Agreement",
            note: "Spearman's rank correlation of the scores",
            rows: agreementRows(names, agreement),
          },
        ]
      : []),
    ...(ladders.length > 0
      ? [
          {
            title: "Known degradations",
            note: "median score of the same faces, degraded step by step; how often a step moved a face's score towards lower quality (chance: 50 %)",
            rows: ladderRows(ladders),
          },
        ]
      : []),
  ];
}

/** The findings as a page shows them. */
export function qualityPage(found: QualityFindings): QualityPage {
  const { data, set, measures } = found;
  const text = set && printSet(set);
  return {
    data: data.spec,
    faces: data.length,
    set: set && { kind: kinds[set.kind], text: text && withFlags(text) },
    measures: measures.map(({ name, calibration, fit, scores, alpha, examples }) => ({
      name,
      note: calibration ? printCalibration(calibration) : (printFit(fit) ?? ""),
      scores: histogramOf(scores, pageBins),
      alpha: alpha && histogramOf(alpha, pageBins),
      below: alpha?.reduce((sum, value) => sum + Number(value < 1), 0),
      examples,
    })),
    tables: tablesOf(found),
  };
}

/** The findings for people; the `show` faces with the lowest scores. */
export function qualityText(found: QualityFindings, show: number, report: string | undefined): string {
  const { data, set, measures, facesPerSecond } = found;
  const own = measures[0].all;
  const order = Int32Array.from(own.keys())
    .filter((face) => Number.isFinite(own[face]))
    .sort((a, b) => itemAt(own, a) - itemAt(own, b));
  const columns = [
    ...measures.map(({ name, all }) => ({ name, values: all })),
    ...measures.flatMap(({ alphas }) => (alphas === undefined ? [] : { name: "alpha", values: alphas })),
  ];
  const digits = (value: number): string => value.toFixed(4).padStart(12);
  const lines = Array.from(order.subarray(0, show), (face) =>
    [...columns.map(({ values }) => digits(itemAt(values, face))), `  ${data.at(face).id}`].join(""),
  );
  const text = set && printSet(set);
  return [
    `${columns.map(({ name }) => name.padStart(12)).join("")}  face, lowest score first`,
    ...lines,
    ...(order.length > lines.length
      ? [`... and ${order.length - lines.length} more; --show N for more, --json for all`]
      : []),
    ...(text === undefined ? [] : [`the set: ${text}`]),
    ...measures.flatMap(measureLines),
    ...tablesOf(found).flatMap(({ title, note, rows }) => ["", `${title}: ${note}`, plainTable(rows)]),
    `${facesPerSecond.toFixed(0)} faces a second, decoding included`,
    ...(report === undefined ? [] : [`report: ${report}`]),
  ].join("\n");
}

function measureLines({ name, calibration, scores, alpha, unscored, fit }: MeasuredQuality): string[] {
  const numbers = Object.entries(summarise(scores)).map(([what, value]) => `${what} ${value.toFixed(4)}`);
  return [
    `${scores.length} faces, ${name}: ${numbers.join(", ")}${unscored > 0 ? `; ${unscored} without a score` : ""}`,
    `  ${sparkline(scores)}`,
    ...(calibration && alpha
      ? [`  ${printCalibration(calibration)}`, `  alpha ${sparkline(alpha)}`]
      : fit
        ? [`  ${printFit(fit)}`]
        : []),
  ];
}

/** The findings for `--json`; every face only where `isWhole`, since there may be millions. */
export function qualityDocument(found: QualityFindings, isWhole: boolean) {
  const { data, measures, agreement, ladders, set, leftOut, facesPerSecond } = found;
  const [first] = measures;
  const withHistogram = (values: Float32Array) => ({
    ...summarise(values),
    histogram: histogramOf(values, pageBins),
  });
  return {
    metric: first.name,
    calibration: first.calibration ?? null,
    data: data.spec,
    leftOut,
    set: set ?? null,
    summary: { score: summarise(first.scores), alpha: first.alpha ? summarise(first.alpha) : null },
    measures: measures.map(({ name, calibration, fit, unscored, scores, alpha }) => ({
      metric: name,
      calibration: calibration ?? null,
      ...fit,
      unscored,
      score: withHistogram(scores),
      alpha: alpha ? withHistogram(alpha) : null,
    })),
    agreement,
    degraded: ladders,
    facesPerSecond,
    images: Array.from({ length: isWhole ? data.length : 0 }, (_, face) => ({
      id: data.at(face).id,
      score: first.all[face],
      alpha: first.alphas?.[face] ?? null,
      ...(measures.length > 1 && { scores: measures.map(({ all }) => all[face]) }),
    })),
  };
}
