import { basename } from "node:path";
import { itemAt } from "onnx-grad";
import { type Comparison, compareMethods, correctForMany, type EvaluationResult, percent } from "petalface/evaluation";
import { plusMinus, withEnds } from "../skeleton/intervals.ts";
import { table, whole } from "../skeleton/page.ts";
import { mean } from "../skeleton/statistics.ts";
import { testPixels } from "./plan.ts";
import type { Job, JobResult } from "./run.ts";

/** A finished job. */
export interface Cell {
  readonly job: Job;
  readonly done: JobResult;
}

/** Columns of tables: title and the measure's key. What was not measured is left out. */
export const columns: Columns = [
  ["HR", "accuracy/sharp"],
  ...testPixels.map((pixels) => [`LR ${pixels}`, `accuracy/lr:${pixels}`] as const),
  ...testPixels.map((pixels) => [`mix ${pixels}`, `accuracy/mixed:${pixels}`] as const),
  ["rank-1 sharp", "rank1/sharp"],
  ...testPixels.map((pixels) => [`rank-1 ${pixels}`, `rank1/mixed:${pixels}`] as const),
];

/** The same where the frozen model has enrolled the gallery, and the sharp side of mixed pairs. */
export const keptColumns: Columns = [
  ...testPixels.map((pixels) => [`mix ${pixels}`, `accuracy/named:mixed ${pixels}, gallery kept`] as const),
  ["rank-1 sharp", "rank1/named:as given, gallery kept"],
  ...testPixels.map((pixels) => [`rank-1 ${pixels}`, `rank1/named:${pixels}, gallery kept`] as const),
];

type Columns = readonly (readonly [string, string])[];

/** Jobs of one contender, one a seed. */
export interface Group {
  readonly name: string;
  readonly cells: readonly Cell[];
}

/** A measure of an evaluation, if it has it. */
export const measureIn = ({ measures }: Pick<EvaluationResult, "measures">, key: string) =>
  measures.find((candidate) => candidate.key === key);

/** Pairs of contenders whose difference is reported: the first minus the second. */
export type Pairs = readonly (readonly [string, string])[];

/** Jobs by contender, in the order in which they come. */
export function groupsOf(cells: readonly Cell[]): Group[] {
  const names = [...new Set(cells.map((cell) => cell.job.contender.name))];
  return names.map((name) => ({ name, cells: cells.filter((cell) => cell.job.contender.name === name) }));
}

const measuredBy = (cells: readonly Cell[], all: Columns): Columns =>
  all.filter(([, key]) => cells.some(({ done }) => measureIn(done.result, key) !== undefined));

/**
 * The section of one model: a line for each contender, and the differences of some pairs of them.
 */
export function renderModel(model: string, cells: readonly Cell[], pairs: Pairs): string {
  const groups = groupsOf(cells);
  return `## ${model}

${protocolLine(cells)}

${renderMeasures(groups, columns)}

${renderDifferences(groups, pairs)}`;
}

/**
 * What was measured, and how numbers are written. Drawn pairs are named after their folder, whose
 * place on this machine does not belong on a page.
 */
export function protocolLine(cells: readonly Cell[]): string {
  const first = cells[0]?.done.result.protocol;
  return `${basename(first?.name ?? "")}: ${first?.genuine} genuine and ${first?.impostor} impostor pairs, rank-1 of ${first?.probes} probes in a gallery of ${first?.gallery}.
Mean over the seeds in per cent; after ± half the width of the 95 % interval of the first seed (bootstrap over people),
in brackets the range of the seeds.`;
}

/** A line for each contender; the first is the frozen model. */
export function renderMeasures(groups: readonly Group[], all: Columns): string {
  const shown = measuredBy(
    groups.flatMap(({ cells }) => cells),
    all,
  );
  return table(
    ["method", "images seen", "trained", ...shown.map(([title]) => title), "sharp bits kept"],
    groups.map((group) => renderGroup(group, groups[0]?.cells[0], shown)),
  );
}

function renderGroup({ name, cells }: Group, frozen: Cell | undefined, shown: Columns): string[] {
  const job = cells[0]?.job;
  const kept = cells.map((cell) => (frozen === undefined ? 0 : compareIdentical(frozen, cell)));
  return [
    name,
    job?.contender.options === undefined ? "-" : whole(job.images),
    whole(cells[0]?.done.trained ?? 0),
    ...shown.map(([, key]) =>
      seedCell(
        cells.map(({ done }) => done.result),
        key,
        1,
      ),
    ),
    percent(mean(kept), 1),
  ];
}

/**
 * A measure over the seeds: `92.17 ± 1.6 [91.8-92.5]`, of the mean, half the interval of the first,
 * and the range.
 */
export function seedCell(results: readonly EvaluationResult[], key: string, digits: number): string {
  const all = results.flatMap((result) => measureIn(result, key) ?? []);
  const values = all.map(({ value }) => value);
  const [one] = all;
  if (one === undefined) return "-";
  const [least, most] = [percent(Math.min(...values), digits), percent(Math.max(...values), digits)];
  const spread = values.length > 1 ? ` [${least}-${most}]` : "";
  return `${plusMinus({ ...one, value: mean(values) }, 2, digits)}${spread}`;
}

const compareIdentical = (frozen: Cell, cell: Cell): number => {
  const [a, b] = [frozen.done.result.detail.digests, cell.done.result.detail.digests];
  return a.filter((digest, image) => digest === b[image]).length / a.length;
};

/**
 * Paired differences of the contenders, their seeds taken together, with p values corrected for all
 * that is shown (Holm).
 */
export function renderDifferences(groups: readonly Group[], pairs: Pairs, all: Columns = columns): string {
  const find = (name: string): EvaluationResult[] =>
    groups.find((group) => group.name === name)?.cells.map(({ done }) => done.result) ?? [];
  const keys = new Set(all.map(([, key]) => key));
  const compared = pairs.flatMap(([b, a]) => {
    const [left, right] = [find(a), find(b)];
    if (left.length === 0 || right.length === 0) return [];
    const comparison = compareMethods(left, right);
    const differences = comparison.differences.filter(({ key }) => keys.has(key));
    return [{ title: `${b} - ${a}`, comparison: { ...comparison, differences } }];
  });
  if (compared.length === 0) return "";
  const corrected = correctForMany(compared.map(({ comparison }) => comparison));
  const shown = all.filter(([, key]) =>
    corrected.some(({ differences }) => differences.some((found) => found.key === key)),
  );
  const rows = compared.map(({ title }, at) => [
    title,
    ...shown.map(([, key]) => differenceCell(itemAt(corrected, at), key, { p: "corrected" })),
  ]);
  return `Paired differences in points, the seeds taken together, with 95 % interval over people and seeds;
* where p < 0.05 after Holm's correction for all differences of the table.

${table(["difference", ...shown.map(([title]) => title)], rows)}`;
}

/**
 * A paired difference in points: `6.67 [5.1, 8.5] *`, where the p value, as it is or corrected, is
 * below 0.05.
 */
export function differenceCell(
  comparison: Comparison,
  key: string,
  { digits = 1, p = "p" }: { readonly digits?: number; readonly p?: "p" | "corrected" } = {},
): string {
  const found = comparison.differences.find((candidate) => candidate.key === key);
  if (found === undefined) return "-";
  return `${withEnds(found, 2, digits)}${found[p] < 0.05 ? " *" : ""}`;
}
