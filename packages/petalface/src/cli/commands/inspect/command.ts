import { type Command, Option } from "commander";
import { inspect } from "../../../api/inspect/inspect.ts";
import { choicesOf } from "../../../api/model.ts";
import { requireMost } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { type Provider, providerNames } from "../../../runtime/index.ts";
import type { CliContext } from "../../context.ts";
import { withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { withModelChoices } from "../../model.ts";
import type { checkPreprocessing } from "./audit/preprocessing.ts";
import type { AuditFlags } from "./audit/run.ts";
import { describe } from "./describe.ts";

/** Loaded only where it is asked for, as all of a command's parts. */
const checkFeeding: typeof checkPreprocessing = async (...args) =>
  (await import("./audit/preprocessing.ts")).checkPreprocessing(...args);

/** `petalface inspect`: what is this, and what could be adapted? */
export function inspectCommand(program: Command, context: CliContext): void {
  const command = withModelChoices(program.command("inspect"))
    .description(
      "describe a model, checkpoint, run, adapter, data set or result; of a model, list the layers that can be adapted",
    )
    .argument("<thing>", "file, folder, model name, synthetic[:people=N,images=M,seed=S], or presets")
    .addOption(
      new Option("--provider <name>", "also list which nodes of a model run there").choices(
        providerNames.filter((name) => name !== "auto"),
      ),
    )
    .option("--check", "check every picture of a data set; always done for small sets")
    .option("--no-check", "check a few pictures only")
    .option(
      "--model <file|name>",
      "find wrong names in a data set, and check that the model gets faces in the right form",
    )
    .option("--against <data>", "a second data set: find pictures and people that are in both")
    .option("--report <file>", "write the findings of a data set as an HTML page with pictures")
    .action(async (thing: string, { provider, ...flags }: AuditFlags & { provider?: Provider }) => {
      const choices = choicesOf(flags);
      const inspection = describe(await inspect(thing, { ...choices, mostLeftOut: flags.maxLeftOut }));
      if (inspection.document.kind === "data") {
        const { runAudit } = await import("./audit/run.ts");
        const { model } = flags;
        const feeding = model === undefined ? undefined : await checkFeeding(thing, { ...flags, model }, context);
        const { findings, lines, leftOut } = await runAudit(thing, flags, context);
        const document = {
          ...inspection.document,
          leftOut,
          ...(feeding && { preprocessing: feeding.findings }),
          ...(findings && { findings }),
        };
        context.result(document, [...(feeding?.lines ?? []), inspection.text, ...lines].join("\n"));
        // The findings come first: they are the purpose of this command.
        return requireMost(thing, leftOut, flags.maxLeftOut);
      }
      if (flags.model ?? flags.against ?? flags.report)
        throw new PetalfaceError(
          "PETAL_OPTION_INVALID",
          `--model, --against and --report are for data sets; ${thing} is none`,
        );
      if (provider === undefined) return context.result(inspection.document, inspection.text);
      const { withPlacement } = await import("./placement.ts");
      const { document, text } = await withPlacement(inspection, provider, thing, choices);
      context.result(document, text);
    });
  withDataOptions(command);
  withExamples(
    command,
    "inspect fr_feature",
    "inspect runs/first",
    "inspect presets",
    "inspect faces --json",
    "inspect train --against test --model fr_feature --report check.html",
    "inspect fr_feature --provider webgpu",
  );
}
