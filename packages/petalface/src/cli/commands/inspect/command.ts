import { type Command, Option } from "commander";
import { inspect } from "../../../api/inspect/inspect.ts";
import type { PicturesOptions } from "../../../api/inspect/pictures.ts";
import { choicesOf } from "../../../api/model.ts";
import { requireMost } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { printArgument } from "../../../print-path.ts";
import { type Provider, providerNames } from "../../../runtime/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { withModelChoices } from "../../model.ts";
import { describe } from "./describe.ts";
import type { Description } from "./description.ts";

interface Flags extends Omit<PicturesOptions, "mostLeftOut">, DataFlags {
  readonly provider?: Provider;
}

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
    .action(async (thing: string, { provider, ...flags }: Flags) => {
      const choices = choicesOf(flags);
      const inspection = describe(await inspect(thing, { ...choices, ...leftOutOptions(flags) }));
      if (inspection.document.kind === "data") {
        const { document, text, leftOut } = await withPictures(inspection, thing, flags, context);
        context.result(document, text);
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

/** An inspection of a data set with what was found in its pictures. */
async function withPictures({ document, text }: Description, thing: string, flags: Flags, context: CliContext) {
  // Loaded only where it is asked for, as all of a command's parts.
  const { inspectFeeding, inspectPictures } = await import("../../../api/inspect/pictures.ts");
  const { printFindings } = await import("./audit/text.ts");
  const { printPreprocessing } = await import("./audit/preprocessing.ts");
  const { model, report } = flags;
  const options = { ...flags, ...leftOutOptions(flags) };
  const feeding = model === undefined ? undefined : await inspectFeeding(thing, { ...options, model }, context);
  const { findings, leftOut, tooMany } = await inspectPictures(thing, options, context);
  const lines = [...(feeding ? printPreprocessing(feeding) : []), text, ...(findings ? printFindings(findings) : [])];
  if (tooMany) lines.push(`look for copies and wrong names: petalface inspect ${printArgument(thing)} --check`);
  if (findings !== undefined && report !== undefined) lines.push(`page: ${report}`);
  return {
    document: { ...document, leftOut, ...(feeding && { preprocessing: feeding }), ...(findings && { findings }) },
    text: lines.join("\n"),
    leftOut,
  };
}
