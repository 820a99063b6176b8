import { basename, join } from "node:path";
import { type Command, Option } from "commander";
import {
  type Adapter,
  adapterFiles,
  type ExportAlpha,
  exportedGraph,
  exportOutputs,
  levelFiles,
  loadAdapter,
  peftFiles,
  precisionNames,
} from "../../../adapters/index.ts";
import { modelCard } from "../../../api/card.ts";
import { leftOutOf } from "../../../api/data.ts";
import { deploy, deployedFiles, type Product } from "../../../api/deploy.ts";
import { defaultExportFaces } from "../../../api/export.ts";
import { type FormFlags, targetsOf } from "../../../api/export-form.ts";
import { inForm, isFolder, refuseLevels } from "../../../api/levels.ts";
import { openFrozen } from "../../../api/model.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { openPrecisionFaces, type PrecisionFlags } from "../../../api/precision.ts";
import { printLoss } from "../../../api/precision-loss.ts";
import { findThresholds } from "../../../api/thresholds.ts";
import { alphaKey } from "../../../backbones/index.ts";
import { type Contract, type GateUse, targetNames } from "../../../deploy/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { writeFileSafely } from "../../../files.ts";
import { type ModelChoices, preprocessingMetadata } from "../../../models/index.ts";
import { externalScores } from "../../../quality/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { withModelChoices } from "../../model.ts";
import { numeric } from "../../numbers.ts";
import { parseInteger } from "../../options.ts";
import { exportAdapter } from "./adapter-form.ts";
import { exportToLevels } from "./levels.ts";

interface Flags extends ModelChoices, PrecisionFlags, FormFlags, DataFlags {
  readonly data: string;
  readonly model?: string;
  readonly adapter?: string;
  readonly out?: string;
  readonly alpha: string;
  readonly as: "onnx" | "peft" | "reference";
  readonly thresholds?: string;
  readonly card?: string;
}

/** Flags with what every file needs. */
type Given = Flags & { readonly model: string; readonly out: string };

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
        .choices(["onnx", "peft", "reference"])
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
  await write({ ...flags, model, out }, context);
}

/** Options that cannot go together. Throws PetalfaceError (wrong usage). */
function check(flags: Given, contracts: readonly Contract[]): void {
  const refuse = (why: string): never => {
    throw new PetalfaceError("PETAL_OPTION_INVALID", why);
  };
  const { as, levels, adapter, alpha } = flags;
  if (adapter === undefined && (as !== "onnx" || levels !== undefined || alpha !== "quality"))
    refuse("without --adapter the frozen model is written: give --adapter, or leave out --as, --levels and --alpha");
  if (as !== "onnx" && flags.for !== undefined) refuse(`--for is for ONNX files; leave it out with --as ${as}`);
  if (flags.card !== undefined && as !== "onnx") refuse(`--card is for ONNX files; leave it out with --as ${as}`);
  if (typeof levels !== "number") return;
  if (alpha !== "quality") refuse("--levels rounds the computed alpha; leave out --alpha");
  refuseLevels(contracts, flags.out);
}

async function write(flags: Given, context: CliContext): Promise<void> {
  const alpha = parseAlpha(flags.alpha);
  const contracts = targetsOf(flags);
  check(flags, contracts);
  const { adapter: run = "" } = flags;
  const trained = run === "" ? [] : [run, join(run, "adapter")].flatMap(adapterFiles);
  const inputs = [flags.model, flags.data, flags.detector, flags.thresholds, ...trained];
  const claim = (files: readonly string[]) => claimOutputs(files, context, { inputs });
  const { as, levels } = flags;
  const folder = typeof levels === "number" && isFolder(flags.out, contracts) ? levels : undefined;
  const files =
    folder !== undefined
      ? levelFiles(flags.out, folder)
      : as === "onnx"
        ? deployedFiles(flags, contracts)
        : [flags.out];
  const card = flags.card === undefined ? [] : [flags.card];
  await using _outputs = await claim([...(as === "peft" ? [] : files), ...card]);
  const backbone = await openFrozen(flags);
  if (run === "") {
    const metadata = new Map(Object.entries(preprocessingMetadata(backbone.spec)));
    const graph = { ...backbone.graph, outputs: [backbone.output], metadata };
    const found = await findThresholds({ file: flags.thresholds, run: undefined }, backbone, undefined, context);
    const product = { backbone, graph, judgement: undefined, thresholds: found };
    await writeProduct({ flags, contracts, alpha: null }, product, context);
    return;
  }
  const adapter = await loadAdapter(run, backbone);
  if (as !== "onnx") {
    await using _folders = await claim(as === "peft" ? peftFiles(flags.out, backbone, adapter) : []);
    await exportAdapter({ out: flags.out, as }, backbone, adapter, context);
    return;
  }
  const thresholds = await findThresholds({ file: flags.thresholds, run }, backbone, adapter, context);
  if (folder !== undefined) {
    if (flags.card !== undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        "--card is for one file: let --out end in .onnx, or leave it out",
      );
    const what = { backbone, adapter, contract: contracts[0], thresholds };
    await exportToLevels({ ...flags, levels: folder }, what, context);
    return;
  }
  const graph = await exportedGraph(backbone, adapter, alpha);
  const { gate, calibration } = adapter.config;
  const judgement: GateUse = { gate, merged: graph.metadata.get(alphaKey) === "merged" };
  const scoreInput = graph.inputs.length > 1 && alpha === "quality" ? externalScores(calibration)?.input : undefined;
  const product = { backbone, adapter, graph, judgement, thresholds };
  await writeProduct({ flags, contracts, alpha, scoreInput }, product, context);
}

interface Task {
  readonly flags: Given;
  readonly contracts: readonly Contract[];
  /** null for the frozen model. */
  readonly alpha: ExportAlpha | null;
  /** The input that takes the quality of a face, where the file does not judge it. */
  readonly scoreInput?: string | undefined;
}

async function writeProduct(
  { flags, contracts, alpha, scoreInput }: Task,
  product: Product & { readonly adapter?: Adapter },
  context: CliContext,
): Promise<void> {
  const { backbone, adapter } = product;
  const faces = await openPrecisionFaces({ ...flags, ...leftOutOptions(flags) }, backbone, context);
  const { product: changed, loss } = await inForm({ flags, contracts, alpha, adapter }, product, faces, context);
  const { written, lines } = await deploy(changed, flags, contracts);
  const [first] = written;
  if (flags.card !== undefined) {
    const names = written.flatMap((each) => each.files.map((file) => basename(file)));
    const subject = { backbone, adapter, run: flags.adapter, thresholds: product.thresholds, files: names };
    await writeFileSafely(flags.card, await modelCard(subject));
  }
  context.result(
    {
      file: first?.files[0],
      input: first?.input.name,
      ...(scoreInput !== undefined && { quality: scoreInput }),
      output: first?.output.name,
      alpha,
      size: backbone.size,
      width: backbone.width,
      precision: flags.precision,
      loss: loss.length > 1 ? loss : (loss[0] ?? null),
      ...(faces && { leftOut: leftOutOf(faces.data, faces.left()) }),
      written,
    },
    [
      ...lines,
      ...(scoreInput !== undefined
        ? [`a second input, ${scoreInput} [N], takes the quality of each face, in the unit of the training set`]
        : []),
      ...loss.map((each) => `${flags.precision} ${printLoss(each)}`),
    ].join("\n"),
  );
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
