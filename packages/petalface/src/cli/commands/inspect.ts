import type { Command } from "commander";
import type { CliContext } from "../context.ts";
import { withExamples } from "../examples.ts";
import { inspect } from "../inspect.ts";

/** `petalface inspect`: what is this, and what could be adapted? */
export function inspectCommand(program: Command, context: CliContext): void {
  const command = program
    .command("inspect")
    .description("say what a model, run, adapter, data set or result is; of a model, which layers can be adapted")
    .argument("<thing>", "file, folder, model name, or synthetic[:people=N,images=M,seed=S]")
    .option("--normalize <mean,scale>", "how pixels become a model's input, if the file does not say")
    .action(async (thing: string, { normalize }: { normalize?: string }) => {
      const { document, text } = await inspect(thing, normalize);
      context.result(document, text);
    });
  withExamples(command, "inspect fr_feature", "inspect runs/first", "inspect faces --json");
}
