import { compareResults, type EvaluationResult, percent } from "petalface";
import type { JobResult } from "../faces/run.ts";
import type { AlphaStudy } from "./alpha.ts";

/** One finished training. */
export interface Cell {
  readonly measure: string;
  readonly seed: number;
  readonly done: JobResult;
}

const columns: readonly (readonly [string, string])[] = [
  ["HR", "accuracy/sharp"],
  ["LR 16", "accuracy/lr:16"],
  ["LR 8", "accuracy/lr:8"],
  ["mix 16", "accuracy/mixed:16"],
  ["mix 12", "accuracy/mixed:12"],
  ["mix 8", "accuracy/mixed:8"],
  ["rank-1 sharp", "rank1/sharp"],
  ["rank-1 16", "rank1/mixed:16"],
  ["rank-1 12", "rank1/mixed:12"],
];

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
const found = (result: EvaluationResult, key: string) => result.measures.find((measure) => measure.key === key);
const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

/** Markdown of the study: accuracy by measure, paired differences from sharpness, alpha by resolution. */
export function renderStudy(cells: readonly Cell[], alphas: ReadonlyMap<string, AlphaStudy>, command: string): string {
  const names = [...new Set(cells.map(({ measure }) => measure))];
  const of = (name: string): Cell[] => cells.filter(({ measure }) => measure === name);
  const lines = [
    "# Which quality measure",
    "",
    `    npm run bench -- quality-study ${command}`,
    "",
    "MobileFaceNet, preset petal, 4,800 training images unless said otherwise, of LFW people outside View 2's folds 1 to 6. Per cent, mean over the seeds;",
    "after ± half the width of the 95 % interval of the first seed (bootstrap over people), in brackets the range of the seeds.",
    "",
    row(["measure", "seeds", ...columns.map(([title]) => title)]),
    row(["---", "---", ...columns.map(() => "---")]),
    ...names.map((name) => {
      const own = of(name);
      return row([
        name,
        own.map(({ seed }) => seed).join(" "),
        ...columns.map(([, key]) => {
          const each = own.flatMap(({ done }) => found(done.result, key) ?? []);
          const [first] = each;
          if (first === undefined) return "-";
          const all = each.map(({ value }) => value);
          const range = all.length > 1 ? ` [${percent(Math.min(...all))}, ${percent(Math.max(...all))}]` : "";
          return `${percent(mean(all))} ± ${percent((first.high - first.low) / 2)}${range}`;
        }),
      ]);
    }),
    "",
    "Paired differences from sharpness in points, mean over the seeds; in brackets the 95 % interval of the first seed; * where p < 0.05 in every seed.",
    "",
    row(["measure", ...columns.map(([title]) => title)]),
    row(["---", ...columns.map(() => "---")]),
    ...names
      .filter((name) => name !== "sharpness")
      .map((name) => row([name, ...differences(of(name), of("sharpness"))])),
    "",
    "Alpha of faces of people in the test folds at k px: mean, and in brackets the per cent judged sharp (alpha exactly 1). 112 is the photo as it is. Range: the scores",
    "at alpha 0 and 1, fitted on people outside folds 1 to 6.",
    "",
  ];
  const pixels = [...alphas.values()][0]?.rows.map((each) => each.pixels) ?? [];
  lines.push(row(["measure", "range", ...pixels.map(String)]), row(["---", "---", ...pixels.map(() => "---")]));
  for (const [name, { low, high, rows }] of alphas)
    lines.push(
      row([
        name,
        `${low.toFixed(2)} to ${high.toFixed(2)}`,
        ...rows.map(({ mean: value, one }) => `${value.toFixed(2)} (${(100 * one).toFixed(1)})`),
      ]),
    );
  return `${lines.join("\n")}\n`;
}

function differences(own: readonly Cell[], base: readonly Cell[]): string[] {
  const pairs = own.flatMap((cell) => {
    const other = base.find(({ seed }) => seed === cell.seed);
    return other === undefined ? [] : [compareResults(other.done.result, cell.done.result)];
  });
  return columns.map(([, key]) => {
    const each = pairs.flatMap((pair) => pair.differences.find((measure) => measure.key === key) ?? []);
    const [first] = each;
    if (first === undefined) return "-";
    const sure = each.every(({ p }) => p < 0.05) ? " *" : "";
    return `${(100 * mean(each.map(({ value }) => value))).toFixed(2)} [${(100 * first.low).toFixed(2)}, ${(100 * first.high).toFixed(2)}]${sure}`;
  });
}
