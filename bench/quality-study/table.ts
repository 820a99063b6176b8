import { compareMethods, type EvaluationResult, percent } from "petalface/evaluation";
import { columns, differenceCell, seedCell } from "../faces/table.ts";
import { withEnds } from "../skeleton/intervals.ts";
import { table } from "../skeleton/page.ts";
import type { AlphaStudy } from "./alpha.ts";
import { type Cell, incumbent, rule, verdict } from "./verdict.ts";

type Result = (cell: Cell) => EvaluationResult | undefined;

const titles = columns.map(([title]) => title);
const points = (value: number): string => (100 * value).toFixed(2);

/**
 * Markdown of the study: accuracy by measure on photos and on synthetic people, differences from
 * the incumbent, who wins, alpha by resolution.
 */
export const renderStudy = (cells: readonly Cell[], alphas: ReadonlyMap<string, AlphaStudy>): string =>
  `MobileFaceNet, preset petal, 4,800 training images unless said otherwise, of LFW people outside View 2's folds 1 to 6. HR:
both faces sharp; LR k: both shrunk to k x k pixels and enlarged; mix k: sharp against k, each side in turn; rank-1:
probes of k px in a sharp gallery. Per cent, mean over the seeds; after ± half the width of the 95 % interval of the first
seed (bootstrap over people), in brackets the range of the seeds. Differences are paired, in points, their 95 % interval
has the error of people and of seeds; * where p < 0.05.

## Photos: LFW, folds 1 to 3

${renderSet(cells, ({ done }) => done.result)}

## Synthetic people, not seen in any training

${renderSet(cells, ({ synthetic }) => synthetic)}

## Which is best

${rule}

${renderVerdict(cells)}

## Alpha

Of faces of people in the test folds at k px: mean, and in brackets the per cent judged sharp (alpha exactly 1). 112 is
the photo as it is. Range: the scores at alpha 0 and 1, fitted on people outside folds 1 to 6.

${renderAlpha(alphas)}`;

function renderSet(cells: readonly Cell[], resultOf: Result): string {
  const names = [...new Set(cells.filter((cell) => resultOf(cell)).map(({ measure }) => measure))];
  const of = (name: string): Cell[] => cells.filter((cell) => cell.measure === name && resultOf(cell));
  const first = cells.map(resultOf).find((result) => result !== undefined)?.protocol;
  if (first === undefined) return "Nothing is measured yet.";
  const values = names.map((name) => {
    const own = of(name);
    const results = own.flatMap((cell) => resultOf(cell) ?? []);
    const seeds = name === "frozen" ? "" : own.map(({ seed }) => seed).join(" ");
    return [name, seeds, ...columns.map(([, key]) => seedCell(results, key, 2))];
  });
  const others = names.filter((name) => name !== incumbent);
  return `${first.name}: ${first.genuine} genuine and ${first.impostor} impostor pairs of ${first.people} people, ${first.probes} probes in a gallery of ${first.gallery}.

${table(["measure", "seeds", ...titles], values)}

${table(
  [`minus ${incumbent}`, ...titles],
  others.map((name) => [name, ...differences(of(name), of(incumbent), resultOf)]),
)}`;
}

/** Of the seeds that both have; the frozen model, which has none, against all. */
function differences(own: readonly Cell[], base: readonly Cell[], resultOf: Result): string[] {
  const shared = (cell: Cell, others: readonly Cell[]): boolean =>
    own[0]?.measure === "frozen" || others.some(({ seed }) => seed === cell.seed);
  const [left, right] = [base.filter((cell) => shared(cell, own)), own.filter((cell) => shared(cell, base))].map(
    (side) => side.flatMap((cell) => resultOf(cell) ?? []),
  ) as [EvaluationResult[], EvaluationResult[]];
  if (left.length === 0 || right.length === 0) return columns.map(() => "-");
  const compared = compareMethods(left, right);
  return columns.map(([, key]) => differenceCell(compared, key, { digits: 2 }));
}

function renderVerdict(cells: readonly Cell[]): string {
  const found = verdict(cells);
  if (found === undefined)
    return `Not decided: ${incumbent} and another measure must have finished a seed on both sets.`;
  const { seeds, standings, winner } = found;
  const rows = standings.map(({ measure, mean: own, difference, p, seeds: each, sharp }) =>
    measure === incumbent
      ? [measure, percent(own), "", "", ...each.map(() => ""), ""]
      : [measure, percent(own), withEnds(difference, 2), p.toFixed(3), ...each.map(points), withEnds(sharp, 2)],
  );
  const head = ["measure", "mean", `minus ${incumbent}`, "p, corrected", ...seeds.map((seed) => `seed ${seed}`), "HR"];
  return `${table(head, rows)}\n\nWinner on seeds ${seeds.join(", ")}: **${winner}**.`;
}

function renderAlpha(alphas: ReadonlyMap<string, AlphaStudy>): string {
  const pixels = [...alphas.values()][0]?.rows.map((each) => each.pixels) ?? [];
  return table(
    ["measure", "range", ...pixels.map(String)],
    [...alphas].map(([name, { low, high, rows }]) => [
      name,
      `${low.toFixed(2)} to ${high.toFixed(2)}`,
      ...rows.map(({ mean: alpha, one }) => `${alpha.toFixed(2)} (${(100 * one).toFixed(1)})`),
    ]),
  );
}
