import type { Command } from "commander";
import { type ExportAlpha, exportModel, loadAdapter } from "../../adapters/index.ts";
import { openBackbone } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { withExamples } from "../examples.ts";

interface Flags {
  readonly model: string;
  readonly normalize?: string;
  readonly adapter: string;
  readonly out: string;
  readonly alpha: string;
}

/** `petalface export`: one ONNX file, image -> alpha -> embedding. */
export function exportCommand(program: Command, context: CliContext): void {
  const command = program
    .command("export")
    .description("write model and adapter as one ONNX file to deploy")
    .requiredOption("--model <file|name>", "the frozen model that the adapter belongs to")
    .option("--normalize <mean,scale>", "as given to adapt")
    .requiredOption("--adapter <run>", "a run, or its adapter folder")
    .requiredOption("--out <file>", "the .onnx file to write")
    .option(
      "--alpha <source>",
      "quality (judged inside the model), input (a second input), or a number from 0 to 1",
      "quality",
    )
    .action((flags: Flags) => run(flags, context));
  withExamples(command, "export --model fr_feature --adapter runs/first --out face.onnx");
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const alpha = parseAlpha(flags.alpha);
  const backbone = await openBackbone(flags.model, flags.normalize);
  const adapter = await loadAdapter(flags.adapter, backbone);
  await exportModel(flags.out, backbone, adapter, alpha);
  context.result(
    {
      file: flags.out,
      input: backbone.input,
      output: backbone.output,
      alpha,
      size: backbone.size,
      width: backbone.width,
    },
    `${flags.out}: ${backbone.input} [N, 3, ${backbone.size}, ${backbone.size}] -> ${backbone.output} [N, ${backbone.width}], preprocessing as the frozen model's`,
  );
}

function parseAlpha(text: string): ExportAlpha {
  if (text === "quality" || text === "input") return text;
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new PetalfaceError(`--alpha is quality, input or a number from 0 to 1, not "${text}"`, { exitCode: 2 });
  return value;
}
