import { itemAt } from "onnx-grad";
import { rocCurve } from "../../matching/index.ts";
import { degradationLabel } from "../results/condition.ts";
import { outcomeOf, outcomesOf } from "../results/outcomes.ts";
import type { NamedResult } from "../results/table.ts";
import type { Condition, EvaluationResult, Measure } from "../results/types.ts";
import { judge, kFoldAccuracy, rankPairs } from "../statistics/verification.ts";
import { colourScale, drawOneOf, drawSteps, thin } from "./draw.ts";
import type { Html } from "./html.ts";

/**
 * Detection error trade-off of every model under one condition: both errors on logarithmic axes,
 * from one comparison on.
 */
export function detChart(results: readonly NamedResult[], condition: Condition, count: number): Promise<Html> {
  let [leastFar, leastFrr] = [1, 1];
  const values = results.flatMap(({ result }, place) => {
    const pairs = outcomeOf(result.detail, "verification", condition);
    if (pairs === undefined) return [];
    const { far, tar, genuine, impostors } = rocCurve(pairs.scores, pairs.same, pairs.weight);
    leastFar = Math.min(leastFar, 1 / impostors);
    leastFrr = Math.min(leastFrr, 1 / genuine);
    const points = Array.from(far, (rate, i) => ({
      place,
      far: Math.max(rate, 0.5 / impostors),
      frr: Math.max(1 - itemAt(tar, i), 0.5 / genuine),
    }));
    return thin(
      points,
      (point) => Math.log10(point.far) * 100,
      (point) => Math.log10(point.frr) * 100,
    );
  });
  const decades = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1];
  const axis = (least: number) => ({
    scale: { type: "log", domain: [least, 1] },
    axis: { format: "~%", values: decades.filter((rate) => rate >= least) },
  });
  return drawOneOf(count, (size) => ({
    ...size,
    data: { values },
    mark: { type: "line", strokeWidth: 1.8, clip: true },
    encoding: {
      x: { field: "far", type: "quantitative", title: "false accepts", ...axis(leastFar) },
      y: { field: "frr", type: "quantitative", title: "false rejects", ...axis(leastFrr) },
      color: { field: "place", type: "ordinal", scale: colourScale(results), legend: null },
      order: { field: "far", type: "quantitative" },
    },
  }));
}

/** Deepest rank that a curve shows. */
const deepest = 100;

/**
 * Cumulative match characteristic of every model under one condition; the rank on a logarithmic
 * axis.
 */
export function cmcChart(results: readonly NamedResult[], condition: Condition, count: number): Promise<Html> {
  let last = 1;
  const values = results.flatMap(({ result }, place) => {
    const search = outcomeOf(result.detail, "identification", condition);
    if (search === undefined) return [];
    const ranks = search.rank.filter((rank) => rank > 0).sort();
    last = Math.max(last, Math.min(deepest, search.gallery));
    const points: { place: number; rank: number; found: number }[] = [];
    let found = 0;
    for (let rank = 1; rank <= Math.min(deepest, search.gallery); rank++) {
      while (found < ranks.length && itemAt(ranks, found) <= rank) found++;
      points.push({ place, rank, found: (100 * found) / ranks.length });
    }
    return points;
  });
  const x = {
    field: "rank",
    title: "rank",
    scale: { type: "log", domain: [1, Math.max(2, last)] },
    axis: { values: [1, 2, 5, 10, 20, 50, 100].filter((rank) => rank <= last), format: "d" },
  };
  return drawSteps({ results, values, count }, x, { field: "found", title: "found, %" });
}

/** The conditions of a result's searches, in their order. */
export const searchConditions = (result: EvaluationResult): readonly Condition[] =>
  outcomesOf(result.detail, "identification").map(({ condition }) => condition);

/** A panel's heading: which probes were searched for. */
export function describeSearch(condition: Condition): string {
  if (condition.kind === "named") return condition.name;
  return condition.kind === "sharp" ? "probes as given" : `${degradationLabel(condition.degradation)} probes`;
}

/** A measure at every low resolution that was measured. */
export interface ByResolution {
  readonly kind: Measure["kind"];
  readonly condition: "lr" | "mixed";
}

/** Side in pixels of a plain low resolution, `lr:16`; undefined for every other condition. */
const sideOf = (condition: Condition): number | undefined => {
  const match = "degradation" in condition ? /^lr:(\d+)$/.exec(condition.degradation) : null;
  return match === null ? undefined : Number(match[1]);
};

/**
 * A measure over the resolution of the faces, with its 95 % interval; undefined with fewer than two
 * resolutions.
 */
export async function resolutionChart(
  results: readonly NamedResult[],
  { kind, condition }: ByResolution,
  count: number,
): Promise<Html | undefined> {
  const values = results.flatMap(({ result }, place) =>
    result.measures.flatMap((measure) => {
      const side = sideOf(measure.condition);
      if (measure.kind !== kind || measure.condition.kind !== condition || side === undefined) return [];
      return [{ place, side, value: measure.value * 100, low: measure.low * 100, high: measure.high * 100 }];
    }),
  );
  const sides = [...new Set(values.map(({ side }) => side))].sort((a, b) => a - b);
  if (sides.length < 2) return undefined;
  const x = {
    field: "side",
    type: "quantitative",
    title: "side of the face, px",
    scale: { type: "log", domain: [sides[0], sides.at(-1)], nice: false, padding: 12 },
    axis: { values: sides, format: "d", grid: false },
  };
  const y = { type: "quantitative", title: "per cent", scale: { zero: false, nice: true }, axis: { tickCount: 5 } };
  const color = { field: "place", type: "ordinal", scale: colourScale(results), legend: null };
  return drawOneOf(count, (size) => ({
    ...size,
    data: { values },
    encoding: { x, color },
    layer: [
      {
        mark: { type: "area", opacity: 0.14 },
        encoding: { y: { ...y, field: "low" }, y2: { field: "high" } },
      },
      { mark: { type: "line", strokeWidth: 1.8 }, encoding: { y: { ...y, field: "value" } } },
      { mark: { type: "point", filled: true, size: 36, opacity: 1 }, encoding: { y: { ...y, field: "value" } } },
    ],
  }));
}

/** How many parts of equal size the comparisons are cut into. */
const parts = 6;

/**
 * Verification accuracy over quality: the comparisons of one condition in parts of equal size by
 * the lower alpha of their two faces, as the judge sees it. Undefined where there is no alpha, no
 * accuracy, or hardly any spread.
 *
 * @param judgeOf whose alphas order the comparisons
 */
export async function qualityChart(
  results: readonly NamedResult[],
  judgeOf: EvaluationResult,
  condition: Condition,
  panels: number,
): Promise<Html | undefined> {
  const alphaOf = (degradation: string | null) =>
    judgeOf.detail.alphas.find((entry) => entry.degradation === degradation)?.alpha;
  const sharp = alphaOf(null);
  const degraded = "degradation" in condition ? alphaOf(condition.degradation) : sharp;
  const pairs = outcomeOf(judgeOf.detail, "verification", condition);
  // A condition with a name of its own does not say how its faces were shown.
  if (condition.kind === "named") return undefined;
  if (sharp === undefined || degraded === undefined || pairs?.fold === undefined) return undefined;
  const count = pairs.scores.length;
  const at = (values: Float32Array, item: number | undefined): number => values[item ?? -1] ?? 0;
  const quality = Float32Array.from({ length: count }, (_, i) => {
    const [a, b] = [pairs.firstItem[i], pairs.secondItem[i]];
    // Under mixed the second half of the list has the first face degraded, the first half the
    // second.
    if (condition.kind === "mixed")
      return i < count / 2 ? Math.min(at(sharp, a), at(degraded, b)) : Math.min(at(degraded, a), at(sharp, b));
    return Math.min(at(degraded, a), at(degraded, b));
  });
  const order = Int32Array.from(quality.keys()).sort((a, b) => at(quality, a) - at(quality, b) || a - b);
  const slices = Array.from({ length: parts }, (_, part) =>
    order.subarray(Math.floor((part * count) / parts), Math.floor(((part + 1) * count) / parts)),
  );
  const means = slices.map((chosen) => chosen.reduce((sum, i) => sum + at(quality, i), 0) / chosen.length);
  // Where most faces have one alpha (all sharp, all poor) there is no axis to draw over.
  const apart = means.slice(1).filter((mean, i) => mean - itemAt(means, i) > 0.01).length;
  if (count < 20 * parts || apart < parts - 2) return undefined;
  const values = results.flatMap(({ result }, place) => {
    const own = outcomeOf(result.detail, "verification", condition);
    if (own?.fold === undefined) return [];
    const listed = { ...own, fold: own.fold };
    const { thresholds } = kFoldAccuracy(rankPairs(listed), new Float64Array(count).fill(1), result.protocol.folds);
    const right = judge(listed, thresholds);
    return slices.map((chosen, part) => ({
      place,
      quality: means[part],
      value: (100 * chosen.reduce((sum, i) => sum + itemAt(right, i), 0)) / chosen.length,
    }));
  });
  const encoding = {
    x: {
      field: "quality",
      type: "quantitative",
      title: "alpha of the worse face",
      scale: { zero: false, nice: true },
      axis: { grid: false, tickCount: 5 },
    },
    y: {
      field: "value",
      type: "quantitative",
      title: "accuracy, %",
      scale: { zero: false, nice: true },
      axis: { tickCount: 5 },
    },
    color: { field: "place", type: "ordinal", scale: colourScale(results), legend: null },
  };
  return drawOneOf(panels, (size) => ({
    ...size,
    data: { values },
    encoding,
    layer: [
      { mark: { type: "line", strokeWidth: 1.8 } },
      { mark: { type: "point", filled: true, size: 36, opacity: 1 } },
    ],
  }));
}
