import type { Command } from "commander";
import { compare } from "../../../api/evaluate/compare.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import {
  labelled,
  measureLabel,
  type NamedComparison,
  printIdentical,
  printIntervals,
  printTable,
  verdictWords,
  writeReport,
} from "../../../evaluation/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import {
  allKinds,
  type Format,
  formatComparisons,
  formatMeasures,
  pCell,
  peopleCell,
  printAs,
  signed,
  withFormatOption,
} from "../../formats.ts";
import { parseInteger } from "../../options.ts";
import { plainTable } from "../../table.ts";

interface Flags {
  readonly resamples?: number;
  readonly seed?: number;
  readonly format: Format;
  readonly report?: string;
  /** False under `--no-seeds`. */
  readonly seeds: boolean;
}

function describe({ name, against, comparison }: NamedComparison): string {
  const rows = comparison.differences.map((difference) => [
    measureLabel(difference),
    `${signed(difference.value)} (${signed(difference.low)} to ${signed(difference.high)})`,
    pCell(difference.corrected),
    verdictWords(difference).replace("no significant difference", "not significant"),
    peopleCell(difference),
  ]);
  const [before, after] = comparison.runs;
  return [
    `${name} against ${against}`,
    plainTable([["POINTS", "DIFFERENCE (95 %)", "P (HOLM)", "VERDICT", "PEOPLE"], ...rows], [1, 2, 4]),
    printIdentical(comparison.identical),
    ...(comparison.guessed ? [printIntervals(comparison)] : []),
    ...(before > 1 || after > 1 ? [`intervals cover people and training seeds (${before} and ${after} runs)`] : []),
  ].join("\n");
}

async function run(places: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  await using _outputs = await claimOutputs([flags.report], context, { inputs: places });
  const { methods, comparisons } = await compare({ ...flags, results: places });
  const results = methods.map(({ name, result }) => ({ name, result }));
  if (flags.report !== undefined)
    await writeReport(flags.report, {
      title: `petalface compare ${methods.map(({ name }) => name).join(", ")}`,
      results,
      comparisons,
      run: Object.fromEntries(methods.map(({ name, places: from }) => [name, from.join(", ")])),
    });
  const document = {
    results: methods.map(({ name, places: from }, i) => ({
      name,
      path: from[0],
      runs: from,
      measures: labelled(results[i]?.result.measures ?? []),
    })),
    comparisons: comparisons.map(({ name, against, comparison }) => ({
      a: against,
      b: name,
      ...comparison,
      differences: labelled(comparison.differences),
    })),
    report: flags.report ?? null,
  };
  const text = [
    printTable(results, { kinds: allKinds.filter((kind) => kind !== "auc" && kind !== "eer") }),
    ...comparisons.map(describe),
    "PEOPLE: number of people needed to make a difference of that size significant",
    `p values are corrected for the ${comparisons.reduce((sum, { comparison }) => sum + comparison.differences.length, 0)} differences above (Holm)`,
  ].join("\n\n");
  const pasted = (format: "csv" | "md" | "latex"): string =>
    [...(format === "csv" ? [] : [formatMeasures(format, results)]), formatComparisons(format, comparisons)].join(
      "\n\n",
    );
  context.result(document, printAs(flags.format, document, text, pasted), flags.format !== "table");
}

/** `petalface compare`: which is better, by how much, how sure. */
export function compareCommand(program: Command, context: CliContext): void {
  const command = withFormatOption(program.command("compare"))
    .description("compare results: which is better, by how much, and how certain that is; the first is the reference")
    .argument("<runs...>", "evaluated runs, or result files; for one run, its frozen model against its adapted model")
    .option("--resamples <n>", "resamples of the bootstrap over people", parseInteger("--resamples", 1, 1_000_000))
    .option("--seed <n>", "seed of the bootstrap", parseInteger("--seed", 0, 2 ** 31))
    .option("--no-seeds", "treat runs that differ only in their training seed as separate methods")
    .option("--report <file>", "write an HTML page with all results")
    .action((places: string[], flags: Flags) => run(places, flags, context));
  withExamples(
    command,
    "compare runs/first",
    "compare runs/first runs/second --report compare.html",
    "compare runs/a-seed1 runs/a-seed2 runs/b-seed1 runs/b-seed2 --format latex",
  );
}
