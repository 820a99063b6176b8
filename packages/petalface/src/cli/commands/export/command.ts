import { join } from "node:path";
import { type Command, Option } from "commander";
import { type Graph, writeModel } from "onnx-grad";
import {
  type Adapter,
  adapterFiles,
  type ExportAlpha,
  exportedGraph,
  exportLevels,
  inPrecision,
  levelFiles,
  loadAdapter,
  type Precision,
  peftFiles,
  precisionNames,
  savePeft,
  saveReference,
} from "../../../adapters/index.ts";
import { type Backbone, fileForm } from "../../../backbones/index.ts";
import { openData } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { openLoader } from "../../../images/index.ts";
import type { ModelChoices } from "../../../models/index.ts";
import { toldScores } from "../../../quality/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { engineOf, openFrozen, withModelChoices } from "../../model.ts";
import { numeric } from "../../numbers.ts";
import { parseInteger } from "../../options.ts";
import { claimOutputs } from "../../outputs.ts";
import { openProtocol } from "../../protocol.ts";
import { examplesOf, measureLoss, modelOf, type PrecisionLoss, printLoss } from "./loss.ts";

interface Flags extends ModelChoices {
  readonly model: string;
  readonly adapter: string;
  readonly out: string;
  readonly alpha: string;
  readonly as: "onnx" | "peft" | "reference";
  readonly precision: Precision;
  readonly levels?: number;
  readonly data: string;
  readonly protocol?: string;
  readonly leastCosine?: number;
  readonly threads?: number;
}

/** Mean cosine with float32 below which a precision is refused. */
const bars: Readonly<Record<Precision, number>> = { fp32: 0, fp16: 0.999, int8: 0.95, "int8-dynamic": 0.95 };

/** `petalface export`: one ONNX file, image -> alpha -> embedding. */
export function exportCommand(program: Command, context: CliContext): void {
  const command = withModelChoices(program.command("export"))
    .description("write model and adapter as one ONNX file to deploy, or the adapter in another project's form")
    .requiredOption("--model <file|name>", "the frozen model that the adapter belongs to")
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
    .addOption(
      new Option("--precision <name>", "numbers inside; all but fp32 are measured against it first")
        .choices(precisionNames)
        .default("fp32"),
    )
    .option(
      "--levels <n>",
      "write a folder: alpha rounded to n levels, each a merged network as fast as the frozen one",
      parseInteger("--levels", 2, 257),
    )
    .option(
      "--data <data>",
      "faces that a precision is measured on, and int8's ranges are from",
      "synthetic:people=60,images=4,seed=7",
    )
    .option("--protocol <pairs>", "pairs of these faces to measure on; drawn ones unless given")
    .option("--least-cosine <x>", "mean cosine with float32 below which a precision is refused", numeric)
    .option("--threads <n>", "threads of the measurement", parseInteger("--threads", 1, 1024))
    .action((flags: Flags) => run(flags, context));
  withExamples(
    command,
    "export --model fr_feature --adapter runs/first --out face.onnx",
    "export --model fr_feature --adapter runs/first --out face-int8.onnx --precision int8 --data faces",
    "export --model fr_feature --adapter runs/first --out levels/ --levels 9",
    "export --model swin.onnx --adapter runs/first --as peft --out peft/first",
  );
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const alpha = parseAlpha(flags.alpha);
  const inputs = [flags.model, flags.data, ...[flags.adapter, join(flags.adapter, "adapter")].flatMap(adapterFiles)];
  const claim = (files: readonly string[]) => claimOutputs(files, context, { inputs });
  await using _outputs = await claim(
    flags.as === "peft" ? [] : flags.levels === undefined ? [flags.out] : levelFiles(flags.out, flags.levels),
  );
  const backbone = await openFrozen(flags);
  const adapter = await loadAdapter(flags.adapter, backbone);
  if (flags.as !== "onnx") {
    await using _folders = await claim(flags.as === "peft" ? peftFiles(flags.out, backbone, adapter) : []);
    await exportAdapter(flags, backbone, adapter, context);
    return;
  }
  if (flags.levels !== undefined) {
    await exportToLevels(flags, flags.levels, backbone, adapter, context);
    return;
  }
  const graph = await exportedGraph(backbone, adapter, alpha);
  const { changed, loss } = await changePrecision(flags, backbone, graph, context);
  await writeModel(fileForm(backbone, changed), flags.out);
  const told = graph.inputs.length > 1 && alpha === "quality" ? toldScores(adapter.config.calibration) : undefined;
  context.result(
    {
      file: flags.out,
      input: backbone.input,
      ...(told && { quality: told.input }),
      output: changed.outputs[0],
      alpha,
      size: backbone.size,
      width: backbone.width,
      precision: flags.precision,
      loss: loss ?? null,
    },
    [
      `${flags.out}: ${backbone.input} [N, 3, ${backbone.size}, ${backbone.size}] -> ${changed.outputs[0]} [N, ${backbone.width}], preprocessing as the frozen model's`,
      ...(told
        ? [`a second input, ${told.input} [N], takes the quality of each face, in the unit of the training set`]
        : []),
      ...(loss ? [`${flags.precision} ${printLoss(loss)}`] : []),
    ].join("\n"),
  );
}

/** The graph in the precision that was asked for, with what that costs. Throws PetalfaceError where it is too much. */
async function changePrecision(
  flags: Flags,
  backbone: Backbone,
  graph: Graph,
  context: CliContext,
): Promise<{ readonly changed: Graph; readonly loss?: PrecisionLoss }> {
  const { precision } = flags;
  if (precision === "fp32") return { changed: graph };
  if (graph.inputs.length > 1)
    throw new PetalfaceError(
      "another precision is measured on faces, so alpha must be judged inside or fixed, not an input nor made of one: give --alpha with a number",
      { exitCode: 2 },
    );
  const engine = engineOf({ provider: "cpu", ...(flags.threads !== undefined && { threads: flags.threads }) });
  const data = await openData(flags.data);
  const protocol = await openProtocol(flags.protocol ?? "drawn:pairs=600", {}, data);
  await using loader = openLoader({ size: backbone.size, threads: engine.threads });
  const changed = await inPrecision(backbone, graph, precision, examplesOf(data, loader), engine);
  const bar = flags.leastCosine ?? bars[precision];
  context.note(`measuring ${precision} against float32`);
  const task = { data, protocol, engine, bar, signal: context.signal };
  return { changed, loss: await measureLoss(modelOf(backbone, graph), modelOf(backbone, changed), task) };
}

async function exportToLevels(
  flags: Flags,
  count: number,
  backbone: Backbone,
  adapter: Adapter,
  context: CliContext,
): Promise<void> {
  if (flags.alpha !== "quality")
    throw new PetalfaceError("--levels rounds the judged alpha; leave out --alpha", { exitCode: 2 });
  const losses: PrecisionLoss[] = [];
  const written = await exportLevels(flags.out, backbone, adapter, count, async (graph) => {
    const { changed, loss } = await changePrecision(flags, backbone, graph, context);
    if (loss) losses.push(loss);
    return changed;
  });
  context.result(
    { folder: flags.out, ...written, precision: flags.precision, losses },
    [
      `${flags.out}: quality.onnx and ${count} networks; send each face to the one whose alpha is nearest`,
      ...losses.map((loss, level) => `level ${level}, ${flags.precision} ${printLoss(loss)}`),
    ].join("\n"),
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
