import type { Command } from "commander";
import { type LeaderboardTable, leaderboard } from "../../../api/evaluate/leaderboard.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { labelled, percent, verdictWords } from "../../../evaluation/index.ts";
import { writeFileSafely } from "../../../files.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { signed } from "../../formats.ts";
import { parseInteger } from "../../options.ts";
import { plainTable } from "../../table.ts";
import { leaderboardPage } from "./page.ts";

interface Flags {
  readonly out: string;
  readonly measure?: string;
  readonly resamples?: number;
  readonly seed?: number;
  /** False under `--no-seeds`. */
  readonly seeds: boolean;
}

/** `petalface leaderboard`: a page that ranks evaluated runs, with what made each of them. */
export function leaderboardCommand(program: Command, context: CliContext): void {
  const command = program
    .command("leaderboard")
    .description("rank evaluated runs on a page, with intervals, protocols, commands and commits")
    .argument("<runs...>", "evaluated runs, or result files; frozen models are ranked with the runs made of them")
    .requiredOption("--out <file>", "Markdown file for the page")
    .option(
      "--measure <name>",
      'measure that ranks, as tables name it, such as "rank-1 16"; by default the first accuracy of mixed pairs',
    )
    .option("--resamples <n>", "resamples of the bootstrap over people", parseInteger("--resamples", 1, 1_000_000))
    .option("--seed <n>", "seed of the bootstrap", parseInteger("--seed", 0, 2 ** 31))
    .option("--no-seeds", "treat runs that differ only in their training seed as separate methods")
    .action((places: string[], flags: Flags) => run(places, flags, context));
  withExamples(
    command,
    "leaderboard runs/first runs/second --out leaderboard.md",
    'leaderboard runs/* --measure "rank-1 16" --out leaderboard.md',
  );
}

async function run(places: readonly string[], flags: Flags, context: CliContext): Promise<void> {
  const { out, ...options } = flags;
  await using _outputs = await claimOutputs([out], context, { inputs: places });
  const tables = await leaderboard({ ...options, results: places });
  await writeFileSafely(out, leaderboardPage(tables));
  context.result({ out, tables: tables.map(documentOf) }, [...tables.map(printed), `page: ${out}`].join("\n\n"));
}

const documentOf = ({ protocol, data, measure, entries }: LeaderboardTable) => ({
  protocol,
  data,
  measure,
  methods: entries.map(({ name, places, frozen, result, behind }, at) => ({
    place: at + 1,
    name,
    frozen,
    results: places,
    made: result.made ?? null,
    measures: labelled(result.measures),
    behind: behind ?? null,
  })),
});

function printed({ protocol, measure, entries }: LeaderboardTable): string {
  const rows = entries.map(({ name, value, behind }, at) => [
    String(at + 1),
    name,
    `${percent(value.value)} (${percent(value.low)} to ${percent(value.high)})`,
    behind === undefined ? "-" : signed(behind.value),
    behind === undefined ? "-" : verdictWords(behind).replace("no significant difference", "not significant"),
  ]);
  return [
    protocol,
    plainTable([["", "METHOD", `${measure.toUpperCase()} %`, "TO THE FIRST", "VERDICT"], ...rows], [0, 3]),
  ].join("\n");
}
