import { join } from "node:path";
import type { Command } from "commander";
import { compareResults, degradationLabel, percent, printTable, withoutDetail } from "../../evaluation/index.ts";
import type { CliContext } from "../context.ts";
import { demoSize } from "../demo/plan.ts";
import { writeDemoReport } from "../demo/report.ts";
import { type DemoOutcome, runDemo } from "../demo/run.ts";
import { withExamples } from "../examples.ts";
import { parseInteger } from "../options.ts";

interface Flags {
  readonly data?: string;
  readonly images: number;
  readonly people: number;
  readonly out: string;
}

/** `petalface demo`: the whole path in minutes, on synthetic people or the user's own folder. */
export function demoCommand(program: Command, context: CliContext): void {
  const command = program
    .command("demo")
    .description(
      "adapt a small model in four ways, measure what that gained, export the best; needs no data and no GPU",
    )
    .option("--data <folder>", "real faces, a folder per person; synthetic people unless given")
    .option(
      "--images <n>",
      "training images that every method sees",
      parseInteger("--images", 32, 1e9),
      demoSize.images,
    )
    .option("--people <n>", "synthetic people to measure on", parseInteger("--people", 30, 1e6), demoSize.people)
    .option("--out <folder>", "where runs, report and model go", "demo-out")
    .action((flags: Flags) => run(flags, context));
  withExamples(command, "demo", "demo --data faces/ --out my-demo");
}

async function run({ data, out, ...size }: Flags, context: CliContext): Promise<void> {
  const outcome = await runDemo(out, data, size, context);
  const report = join(out, "report.html");
  await writeDemoReport(report, outcome);
  context.result(
    {
      results: outcome.results.map(({ name, result }) => ({ name, result: withoutDetail(result) })),
      report,
      exported: outcome.exported,
    },
    summary(outcome, report, data),
  );
}

function summary({ results, exported, faces }: DemoOutcome, report: string, data: string | undefined): string {
  const [frozen] = results;
  const petal = results.find(({ name }) => name === "petal");
  const lines = [
    `${faces.train.spec}: trained on ${faces.train.people.length} people, measured on ${faces.protocol.people.length} others; per cent ± half the 95 % interval`,
    printTable(results.map(({ name, result }) => ({ name, result }))),
  ];
  if (frozen !== undefined && petal !== undefined) {
    const { differences, identical } = compareResults(frozen.result, petal.result);
    lines.push(
      `petal - frozen: ${differences
        .filter(({ kind, condition }) => kind === "accuracy" && condition.kind !== "lr")
        .map(({ condition, value, low, high }) => {
          const where = "degradation" in condition ? `mixed ${degradationLabel(condition.degradation)}` : "sharp";
          return `${where} ${signed(value)} [${signed(low)}, ${signed(high)}]`;
        })
        .join(", ")}`,
      `${percent(identical.images, 1)} % of the sharp embeddings are the frozen model's bit for bit`,
    );
  }
  lines.push(
    `report: ${report}`,
    `model to deploy: ${exported.path} (checked against the adapted model: largest difference ${exported.difference.toExponential(1)})`,
    data === undefined
      ? "next, on your own faces (one folder per person): npm run demo -- --data FOLDER"
      : `next: npm run petalface -- adapt --model fr_feature --train ${data} --out runs/first`,
  );
  return lines.join("\n");
}

const signed = (value: number): string => `${value >= 0 ? "+" : ""}${percent(value, 1)}`;
