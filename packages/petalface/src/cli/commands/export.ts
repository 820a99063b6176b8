import { join } from "node:path";
import { type Command, Option } from "commander";
import {
  type Adapter,
  type ExportAlpha,
  exportModel,
  loadAdapter,
  savePeft,
  saveReference,
} from "../../adapters/index.ts";
import { type Backbone, openBackbone } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { CliContext } from "../context.ts";
import { withExamples } from "../examples.ts";

interface Flags {
  readonly model: string;
  readonly normalize?: string;
  readonly adapter: string;
  readonly out: string;
  readonly alpha: string;
  readonly as: "onnx" | "peft" | "reference";
}

/** `petalface export`: one ONNX file, image -> alpha -> embedding. */
export function exportCommand(program: Command, context: CliContext): void {
  const command = program
    .command("export")
    .description("write model and adapter as one ONNX file to deploy, or the adapter in another project's form")
    .requiredOption("--model <file|name>", "the frozen model that the adapter belongs to")
    .option("--normalize <mean,scale>", "as given to adapt")
    .requiredOption("--adapter <run>", "a run, or its adapter folder")
    .requiredOption(
      "--out <path>",
      "the .onnx file to write; a folder for peft, a .safetensors or .pt file for reference",
    )
    .option(
      "--alpha <source>",
      "quality (judged inside the model), input (a second input), or a number from 0 to 1",
      "quality",
    )
    .addOption(
      new Option("--as <form>", "onnx, or the adapter alone: Hugging Face PEFT's, or the released PETALface code's")
        .choices(["onnx", "peft", "reference"])
        .default("onnx"),
    )
    .action((flags: Flags) => run(flags, context));
  withExamples(
    command,
    "export --model fr_feature --adapter runs/first --out face.onnx",
    "export --model swin.onnx --adapter runs/first --as peft --out peft/first",
  );
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const alpha = parseAlpha(flags.alpha);
  const backbone = await openBackbone(flags.model, flags.normalize);
  const adapter = await loadAdapter(flags.adapter, backbone);
  if (flags.as !== "onnx") {
    await exportAdapter(flags, backbone, adapter, context);
    return;
  }
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

async function exportAdapter(flags: Flags, backbone: Backbone, adapter: Adapter, context: CliContext): Promise<void> {
  const { out, as } = flags;
  if (as === "reference") {
    await saveReference(out, backbone, adapter);
    context.result(
      { file: out, as, layers: adapter.config.sites.length },
      `${out}: ${adapter.config.sites.length} layers' trainable_lora_* tensors`,
    );
    return;
  }
  const adapters = await savePeft(out, backbone, adapter);
  const lines = adapters.map(
    ({ folder, weight, layers }) => `${join(out, folder)}: ${layers} layers, to be weighted by ${weight}`,
  );
  context.result({ folder: out, as, adapters }, lines.join("\n"));
}

function parseAlpha(text: string): ExportAlpha {
  if (text === "quality" || text === "input") return text;
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new PetalfaceError(`--alpha is quality, input or a number from 0 to 1, not "${text}"`, { exitCode: 2 });
  return value;
}
