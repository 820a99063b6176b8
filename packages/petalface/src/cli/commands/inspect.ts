import { type Command, Option } from "commander";
import { type Provider, providerNames } from "../../runtime/index.ts";
import type { CliContext } from "../context.ts";
import { withExamples } from "../examples.ts";
import { inspect } from "../inspect.ts";

/** `petalface inspect`: what is this, and what could be adapted? */
export function inspectCommand(program: Command, context: CliContext): void {
  const command = program
    .command("inspect")
    .description(
      "say what a model, checkpoint, run, adapter, data set or result is; of a model, which layers can be adapted",
    )
    .argument("<thing>", "file, folder, model name, or synthetic[:people=N,images=M,seed=S]")
    .option("--normalize <mean,scale>", "how pixels become a model's input, if the file does not say")
    .addOption(
      new Option("--provider <name>", "also say which of a model's nodes run there").choices(
        providerNames.filter((name) => name !== "auto"),
      ),
    )
    .action(async (thing: string, { normalize, provider }: { normalize?: string; provider?: Provider }) => {
      const inspection = await inspect(thing, normalize);
      if (provider === undefined) return context.result(inspection.document, inspection.text);
      const { withPlacement } = await import("../placement.ts");
      const { document, text } = await withPlacement(inspection, provider, thing, normalize);
      context.result(document, text);
    });
  withExamples(
    command,
    "inspect fr_feature",
    "inspect runs/first",
    "inspect faces --json",
    "inspect fr_feature --provider webgpu",
  );
}
