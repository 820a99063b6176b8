import type { Command } from "commander";
import { leftOutOf } from "../../../api/data.ts";
import { demo } from "../../../api/demo/demo.ts";
import { demoMinutes, demoSize } from "../../../api/demo/plan.ts";
import { withoutDetail } from "../../../evaluation/index.ts";
import { calledAs } from "../../called.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { parseInteger } from "../../options.ts";
import { comparisonSummary, mainSummary } from "./summary.ts";

interface Flags extends DataFlags {
  readonly data?: string;
  readonly images: number;
  readonly people: number;
  readonly minutes: number;
  readonly all?: boolean;
  readonly out: string;
}

/** `petalface demo`: the whole path in minutes, on synthetic people or the user's own folder. */
export function demoCommand(program: Command, context: CliContext): void {
  const command = program
    .command("demo")
    .description(
      "adapt a small model, measure the gain and export it; then compare other methods. Needs no data and no GPU",
    )
    .option("--data <folder>", "real faces, a folder per person; by default synthetic people")
    .option(
      "--images <n>",
      "training images that every method sees",
      parseInteger("--images", 32, 1e9),
      demoSize.images,
    )
    .option("--people <n>", "synthetic people to measure on", parseInteger("--people", 10, 1e6), demoSize.people)
    .option(
      "--minutes <n>",
      "other methods are compared if they fit into this time; petal always runs",
      parseInteger("--minutes", 0, 1e6),
      demoMinutes,
    )
    .option("--all", "compare all methods, without a time limit")
    .option("--out <folder>", "folder for runs, report and model", "demo-out")
    .action((flags: Flags) => run(flags, context));
  withDataOptions(command);
  withExamples(command, "demo", "demo --all", "demo --data faces/ --out my-demo");
}

async function run({ data: own, out, minutes, all, maxLeftOut, ...size }: Flags, context: CliContext): Promise<void> {
  const outcome = await demo(
    {
      out,
      data: own,
      size,
      mostLeftOut: maxLeftOut,
      minutes: all === true ? Number.POSITIVE_INFINITY : minutes,
      onMain(main, report, compares) {
        context.print(mainSummary(main, report));
        if (compares)
          context.note("the result above is saved; the next steps compare other methods, and Ctrl-C stops them");
      },
    },
    context,
  );
  const next =
    own === undefined
      ? `next, on your own faces (one folder per person): ${calledAs()} demo --data FOLDER`
      : `next: ${calledAs()} adapt --model fr_feature --train ${own} --out runs/first`;
  const { results, leftOut, data, untrained, report, exported } = outcome;
  const measured = results[0].result.leftOut ?? null;
  context.result(
    {
      results: results.map(({ name, result }) => ({ name, result: withoutDetail(result) })),
      leftOut,
      ...(data && { leftOutFaces: { listed: leftOutOf(data), trained: untrained, measured } }),
      report,
      exported,
    },
    comparisonSummary(outcome, next),
  );
}
