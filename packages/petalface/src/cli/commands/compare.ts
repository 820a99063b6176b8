import type { Command } from "commander";
import { PetalfaceError } from "../../errors.ts";
import {
  type Comparison,
  compareResults,
  type Difference,
  measureLabel,
  percent,
  printTable,
} from "../../evaluation/index.ts";
import type { CliContext } from "../context.ts";
import { withExamples } from "../examples.ts";
import { parseInteger } from "../options.ts";
import { type FoundResult, loadResults } from "../results.ts";
import { plainTable } from "../table.ts";

interface Flags {
  readonly resamples?: number;
  readonly seed?: number;
}

/** Differences whose chance explanation is rarer than this are called sure. */
const significance = 0.05;

function verdict({ kind, value, low, high, p }: Difference): string {
  if (low === 0 && high === 0) return "the same";
  if (!(p < significance)) return "not sure";
  return value > 0 === (kind !== "eer") ? "better" : "worse";
}

const signed = (share: number): string => (share > 0 ? `+${percent(share)}` : percent(share));

function describe(first: FoundResult, other: FoundResult, comparison: Comparison): string {
  const rows = comparison.differences.map((difference) => [
    measureLabel(difference),
    signed(difference.value),
    `${signed(difference.low)} to ${signed(difference.high)}`,
    difference.p < 0.001 ? "< 0.001" : difference.p.toFixed(3),
    verdict(difference),
  ]);
  const { images, pairs } = comparison.identical;
  return [
    `${other.name} against ${first.name}`,
    plainTable([["POINTS", "DIFFERENCE", "95 % INTERVAL", "P", `${other.name.toUpperCase()} IS`], ...rows], [1, 2, 3]),
    ...(pairs === undefined
      ? []
      : [`sharp faces with the very same embedding: ${percent(images)} %, pairs: ${percent(pairs)} %`]),
  ].join("\n");
}

async function run(places: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  const results = await loadResults(places);
  const [first, ...others] = results;
  if (first === undefined || others.length === 0)
    throw new PetalfaceError("two results are needed to compare", { exitCode: 2 });
  const comparisons = others.map((other) => ({ other, comparison: compareResults(first.result, other.result, flags) }));
  const text = [
    printTable(results, { kinds: ["accuracy", "tar", "rank1"] }),
    ...comparisons.map(({ other, comparison }) => describe(first, other, comparison)),
  ].join("\n\n");
  context.result(
    {
      results: results.map(({ name, path, result }) => ({ name, path, measures: result.measures })),
      comparisons: comparisons.map(({ other, comparison }) => ({ a: first.name, b: other.name, ...comparison })),
    },
    text,
  );
}

/** `petalface compare`: which is better, by how much, how sure. */
export function compareCommand(program: Command, context: CliContext): void {
  const command = program
    .command("compare")
    .description(
      "say which result is better, by how much, and how sure that is; the first is what the others are held against",
    )
    .argument(
      "<runs...>",
      "runs that were evaluated, or result files; one run alone: its frozen against its adapted model",
    )
    .option("--resamples <n>", "resamples of the bootstrap over people", parseInteger("--resamples", 1, 1_000_000))
    .option("--seed <n>", "seed of the bootstrap", parseInteger("--seed", 0, 2 ** 31))
    .action((places: string[], flags: Flags) => run(places, flags, context));
  withExamples(command, "compare runs/first", "compare runs/first runs/second --json");
}
