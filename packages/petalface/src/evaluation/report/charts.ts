import { itemAt } from "onnx-grad";
import { rocCurve } from "../../matching/index.ts";
import { conditionLabel, conditionOrder, degradationLabel, measureLabel, rowLabel } from "../results/condition.ts";
import { outcomeOf, outcomesOf } from "../results/outcomes.ts";
import { listMeasures, type NamedResult } from "../results/table.ts";
import type { Condition, EvaluationResult, Measure } from "../results/types.ts";
import { colourScale, draw, drawOneOf, drawSteps, thin } from "./draw.ts";
import type { Html } from "./html.ts";

/**
 * Values with 95 % intervals, one row a measure and one colour a model; one of `count` charts of a
 * row.
 */
export function intervalChart(results: readonly NamedResult[], kind: Measure["kind"], count: number): Promise<Html> {
  const rows = listMeasures(results, [kind]);
  // Where several rates or depths are charted together, a row says which.
  const plain = kind === "accuracy" || kind === "rank1";
  const labels = rows.map(({ name }) => (plain ? rowLabel(name) : measureLabel(name)));
  const values = rows.flatMap(({ measures }, row) =>
    measures.flatMap((m, place) =>
      m === undefined ? [] : [{ row: labels[row], place, value: m.value * 100, low: m.low * 100, high: m.high * 100 }],
    ),
  );
  const y = {
    field: "row",
    type: "nominal",
    sort: labels,
    title: null,
    axis: { grid: false, ticks: false, domain: false, labelPadding: 10 },
  };
  const yOffset = { field: "place", type: "ordinal" };
  const color = { field: "place", type: "ordinal", scale: colourScale(results), legend: null };
  const x = { type: "quantitative", title: "per cent", scale: { zero: false, nice: true } };
  const labelWidth = 110;
  return drawOneOf(count, ({ width }) => ({
    width: width - labelWidth + 40,
    height: { step: Math.max(9, 26 / results.length) },
    data: { values },
    encoding: { y, yOffset, color },
    layer: [
      {
        mark: { type: "rule", strokeWidth: 2, opacity: 0.55 },
        encoding: { x: { ...x, field: "low" }, x2: { field: "high" } },
      },
      { mark: { type: "point", filled: true, size: 46, opacity: 1 }, encoding: { x: { ...x, field: "value" } } },
    ],
  }));
}

/**
 * ROC of every model under one condition, false accept rate on a logarithmic axis from one impostor
 * on.
 */
export function rocChart(results: readonly NamedResult[], condition: Condition, count: number): Promise<Html> {
  let least = 1;
  const values = results.flatMap(({ result }, place) => {
    const pairs = outcomeOf(result.detail, "verification", condition);
    if (pairs === undefined) return [];
    const { far, tar, impostors } = rocCurve(pairs.scores, pairs.same, pairs.weight);
    least = Math.min(least, 1 / impostors);
    // Points before the first impostor have no place on a logarithmic axis; the last of them is
    // where the curve enters it.
    const points = Array.from(far, (rate, i) => ({
      place,
      far: Math.max(rate, 0.5 / impostors),
      tar: itemAt(tar, i) * 100,
    }));
    return thin(
      points,
      (point) => Math.log10(point.far) * 100,
      (point) => point.tar * 4,
    );
  });
  const x = {
    field: "far",
    title: "false accepts",
    scale: { type: "log", domain: [least, 1] },
    axis: { format: "~%", values: [1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1].filter((far) => far >= least) },
  };
  const order = { field: "tar", type: "quantitative" };
  return drawSteps({ results, values, count }, x, { field: "tar", title: "true accepts, %" }, { order });
}

/**
 * Score histograms of genuine and impostor pairs under one condition, a chart for each result, all
 * with one vertical scale.
 */
export function scoreCharts(results: readonly EvaluationResult[], condition: Condition): Promise<readonly Html[]> {
  const bins = results.map((result) => {
    const pairs = outcomeOf(result.detail, "verification", condition);
    if (pairs === undefined) return [];
    const { scores, same, weight } = pairs;
    return [1, 0].flatMap((kind) => {
      const chosen = scores.filter((_, i) => same[i] === kind);
      const weights = weight?.filter((_, i) => same[i] === kind);
      return histogram(chosen, -0.4, 1, 56, weights).map((bin) => ({ ...bin, kind }));
    });
  });
  const colours = { domain: [1, 0], range: ["var(--genuine)", "var(--impostor)"] };
  const top = Math.max(...bins.flat().map(({ share }) => share));
  return Promise.all(
    bins.map((values) => draw(histogramSpec(values, { title: "cosine", colours, domain: [-0.4, 1], top, width: 400 }))),
  );
}

/** Histogram of alpha over all images of the protocol at one resolution. */
export function alphaChart(alpha: Float32Array, colour: string, count: number): Promise<Html> {
  const values = histogram(alpha, 0, 1, 40).map((bin) => ({ ...bin, kind: 0 }));
  const look = { title: "alpha", colours: { domain: [0], range: [colour] }, domain: [0, 1] };
  return drawOneOf(count, ({ width }) => histogramSpec(values, { ...look, width }));
}

/**
 * The conditions of a result in the order of the report: as given, both degraded, given against
 * degraded.
 */
export function conditionsOf(result: EvaluationResult): readonly Condition[] {
  return outcomesOf(result.detail, "verification")
    .map(({ condition }) => condition)
    .sort((a, b) => conditionOrder(a) - conditionOrder(b));
}

/** A panel's heading: what was compared with what. */
export function describeCondition(condition: Condition): string {
  if (condition.kind === "sharp") return "both as given";
  if (condition.kind === "named") return condition.name;
  if (condition.kind === "lr") return `${conditionLabel(condition)}: both ${degradationLabel(condition.degradation)}`;
  return `${conditionLabel(condition)}: as given against ${degradationLabel(condition.degradation)}`;
}

interface HistogramLook {
  readonly title: string;
  readonly colours: object;
  readonly domain: readonly number[];
  readonly width: number;
  /** Upper end of the vertical axis in per cent; the highest bar if left out. */
  readonly top?: number;
}

function histogramSpec(values: readonly object[], { title, colours, domain, top, width }: HistogramLook) {
  return {
    width,
    height: 110,
    data: { values },
    mark: { type: "bar", opacity: 0.62, binSpacing: 0 },
    encoding: {
      x: {
        field: "from",
        bin: "binned",
        type: "quantitative",
        title,
        scale: { domain, nice: false },
        axis: { grid: false, tickCount: 6 },
      },
      x2: { field: "to" },
      y: {
        field: "share",
        type: "quantitative",
        stack: null,
        title: "%",
        axis: { tickCount: 3 },
        ...(top === undefined ? {} : { scale: { domain: [0, top] } }),
      },
      color: { field: "kind", type: "nominal", scale: colours, legend: null },
    },
  };
}

/** Shares in per cent of equal bins; what lies outside counts in the outermost. */
function histogram(values: Float32Array, from: number, to: number, bins: number, weights?: Float32Array) {
  const counts = new Float64Array(bins);
  let total = 0;
  values.forEach((value, i) => {
    const bin = Math.min(bins - 1, Math.max(0, Math.floor(((value - from) / (to - from)) * bins)));
    const weight = weights?.[i] ?? 1;
    counts[bin] = itemAt(counts, bin) + weight;
    total += weight;
  });
  const step = (to - from) / bins;
  return Array.from(counts, (count, i) => ({
    from: from + i * step,
    to: from + (i + 1) * step,
    share: total === 0 ? 0 : (100 * count) / total,
  }));
}
