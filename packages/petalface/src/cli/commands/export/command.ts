import { type Command, Option } from "commander";
import { type ExportAlpha, exportOutputs, precisionNames } from "../../../adapters/index.ts";
import type { FormFlags } from "../../../api/export/form.ts";
import type { PrecisionFlags } from "../../../api/export/precision.ts";
import { defaultExportFaces } from "../../../api/export/types.ts";
import { adapterForms, planExport, writeAdapter, writeLevels, writeProduct } from "../../../api/export/write.ts";
import { targetNames } from "../../../deploy/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import type { ModelChoices } from "../../../models/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { withModelChoices } from "../../model.ts";
import { numeric } from "../../numbers.ts";
import { parseInteger } from "../../options.ts";
import { printAdapter, printLevels, printProduct } from "./print.ts";

interface Flags extends ModelChoices, PrecisionFlags, FormFlags, DataFlags {
  readonly data: string;
  readonly model?: string;
  readonly adapter?: string;
  readonly out?: string;
  readonly alpha: string;
  readonly as: "onnx" | (typeof adapterForms)[number];
  readonly thresholds?: string;
  readonly card?: string;
  readonly mirror?: boolean;
}

/** `petalface export`: one ONNX file, image -> alpha -> embedding. */
export function exportCommand(program: Command, context: CliContext): void {
  const command = withModelChoices(program.command("export"))
    .description("write model and adapter as one ONNX file to deploy, or the adapter in another project's form")
    .option("--model <file|name>", "the frozen model that the adapter belongs to")
    .option("--adapter <run>", "a run, or its adapter folder; the frozen model alone unless given")
    .option(
      "--out <path>",
      "the .onnx file to write; a folder for a target or peft, a .safetensors or .pt file for reference",
    )
    .option(
      "--for <targets>",
      `the form that a product loads, one or several: ${targetNames.join(", ")}; plain for a file by hand; list explains them`,
    )
    .option("--detector <file>", "a detector to put next to the recogniser, with --for insightface or immich")
    .option(
      "--alpha <source>",
      "quality (computed inside the model), input (a second input), or a number from 0 to 1",
      "quality",
    )
    .addOption(new Option("--outputs <names>", "outputs of the file; by default the embedding").choices(exportOutputs))
    .option("--input-name <name>", "name of the image input; the model's own unless given")
    .option("--output-name <name>", "name of the embedding; the model's own unless given")
    .option("--batch <n|open>", "images in a batch, a fixed number or any; by default any")
    .option("--opset <n>", "operator set of the file; the model's own unless given", parseInteger("--opset", 11, 99))
    .option("--fold-normalisation", "take pixels 0..255, and normalise inside")
    .option("--bgr", "take blue planes first")
    .option("--thresholds <file>", "thresholds to carry along; those of the run unless given (petalface threshold)")
    .option("--card <file>", "also write a model card in Markdown: how it was trained and measured, its thresholds")
    .addOption(
      new Option("--as <form>", "onnx, or the adapter alone: Hugging Face PEFT's, or the released PETALface code's")
        .choices(["onnx", ...adapterForms])
        .default("onnx"),
    )
    .addOption(
      new Option("--precision <name>", "number format; all formats except fp32 are first compared with it")
        .choices(precisionNames)
        .default("fp32"),
    )
    .option(
      "--levels <n>",
      "alpha rounded to n levels, each a merged network as fast as the frozen one: one file if --out ends in .onnx or --for is given, else a folder",
      parseInteger("--levels", 2, 257),
    )
    .option(
      "--mirror",
      "also embed the mirror image and add it, weighted by 1 - alpha: can be more accurate, and is half as fast",
    )
    .option("--data <data>", "faces to measure a precision on, and to find int8's ranges", defaultExportFaces)
    .option("--protocol <pairs>", "pairs of these faces to measure on; by default drawn at random")
    .option("--least-cosine <x>", "mean cosine with float32 below which a precision is refused", numeric)
    .option("--threads <n>", "threads of the measurement", parseInteger("--threads", 1, 1024))
    .action((flags: Flags) => run(flags, context));
  withDataOptions(command);
  withExamples(
    command,
    "export --model fr_feature --adapter runs/first --out face.onnx",
    "export --model fr_feature --adapter runs/first --out model_cache --for frigate",
    "export --for list",
    "export --model fr_feature --adapter runs/first --out face-int8.onnx --precision int8 --data faces",
    "export --model fr_feature --adapter runs/first --out face.onnx --levels 9",
    "export --model fr_feature --adapter runs/first --out levels --levels 9",
    "export --model fr_feature --adapter runs/first --out face.onnx --mirror",
    "export --model swin.onnx --adapter runs/first --as peft --out peft/first",
  );
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  if (flags.for?.trim() === "list") {
    const { listTargets } = await import("./list.ts");
    listTargets(context);
    return;
  }
  const { model, out } = flags;
  if (model === undefined || out === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `export needs ${model === undefined ? "--model FILE|NAME" : "--out PATH"}`,
    );
  const { alpha, maxLeftOut: mostLeftOut, ...options } = { ...flags, model, out };
  const plan = planExport({ ...options, alpha: parseAlpha(alpha), mostLeftOut });
  switch (plan.kind) {
    case "product":
      return printProduct(await writeProduct(plan, context), context);
    case "levels":
      return printLevels(await writeLevels(plan, context), context);
    case "adapter":
      return printAdapter(await writeAdapter(plan, context), context);
  }
}

function parseAlpha(text: string): ExportAlpha {
  if (text === "quality" || text === "input") return text;
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `--alpha is quality, input or a number from 0 to 1, not "${text}"`,
    );
  return value;
}
