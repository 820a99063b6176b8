import { type Command, Option } from "commander";
import { adapterFiles, foundAdapter, isReferenceLowRank, saveFoundAdapter } from "../../../adapters/index.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import {
  detectArchitecture,
  matchNetwork,
  networkFiles,
  parseArchitecture,
  preprocessingOf,
  printArchitecture,
  writeNetwork,
} from "../../../backbones/index.ts";
import { openCheckpoint } from "../../../checkpoints/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { parseNormalize } from "../../../models/index.ts";
import { type Calibration, measureNames } from "../../../quality/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { numberList, numeric } from "../../numbers.ts";

interface Flags {
  readonly arch: string;
  readonly out: string;
  readonly adapterOut?: string;
  readonly normalize?: string;
  readonly quality?: string;
  readonly alphaRange?: number[];
  readonly alphaThreshold?: number;
}

/**
 * `petalface import`: a PyTorch checkpoint of a known network as ONNX, and the adapter in it as
 * ours.
 */
export function importCommand(program: Command, context: CliContext): void {
  const command = program
    .command("import")
    .description("convert a PyTorch or safetensors checkpoint of a known network")
    .argument("<checkpoint>", "a file of torch.save or safetensors, or a Hugging Face folder")
    .requiredOption("--arch <spec>", "NAME[:key=value,...] of the network, or auto if the tensors' shapes determine it")
    .requiredOption("--out <file>", "the .onnx file to write")
    .option("--adapter-out <folder>", "folder for an adapter in the checkpoint")
    .option(
      "--normalize <mean,scale>",
      "normalisation of the input, (x - mean) * scale; by default that of the network's authors",
    )
    .addOption(new Option("--quality <name>", "quality measure for the adapter's alpha").choices(measureNames))
    .option("--alpha-range <low,high>", "scores at which alpha is 0 and 1", numberList)
    .option("--alpha-threshold <score>", "score at which the released code's alpha is 0.5, not clamped", numeric)
    .action((checkpoint: string, flags: Flags) => run(checkpoint, flags, context));
  withExamples(
    command,
    "import model.pt --arch swin_256new_iqa --out swin.onnx --adapter-out adapters/petalface",
    "import backbone.pth --arch auto --out r50.onnx",
    "import vit.pt --arch vit:image=112,patch=9,dim=512,depth=24,heads=8 --out vit.onnx",
  );
}

async function run(path: string, flags: Flags, context: CliContext): Promise<void> {
  if (!/\.onnx$/i.test(flags.out))
    throw new PetalfaceError("PETAL_OPTION_INVALID", `--out ${flags.out} does not end in .onnx`);
  const given = flags.arch === "auto" ? undefined : parseArchitecture(flags.arch);
  const calibration = calibrationOf(flags);
  const checkpoint = await openCheckpoint(path);
  const spec = given ?? parseArchitecture(detectArchitecture(checkpoint));
  const matched = matchNetwork(checkpoint, spec.architecture, isReferenceLowRank);
  const { scale, rank } = spec;
  const adapter = await foundAdapter(matched, { scale, ...(rank !== undefined && { rank }), calibration });
  if (adapter === undefined && (flags.adapterOut !== undefined || rank !== undefined))
    throw new PetalfaceError("PETAL_OPTION_UNFIT", `${path}: it holds no adapter; leave out --adapter-out and rank=`);
  const preprocessing = {
    ...preprocessingOf(spec),
    ...(flags.normalize !== undefined && parseNormalize(flags.normalize)),
  };
  const notes = [...matched.notes];
  if (given === undefined) {
    notes.unshift(`the shapes are those of ${printArchitecture(spec.architecture)}`);
    if (spec.architecture.family === "ir")
      notes.push("the input is RGB; weights of AdaFace's own release need --arch adaface_ir_50 or similar");
  }
  if (adapter !== undefined && flags.adapterOut === undefined)
    notes.push("the checkpoint holds an adapter, which is left out; --adapter-out FOLDER keeps it");

  await using _outputs = await claimOutputs(
    [...networkFiles(matched, flags.out), ...(adapter && flags.adapterOut ? adapterFiles(flags.adapterOut) : [])],
    context,
    { inputs: checkpoint.files.keys() },
  );
  const progress = context.progress("converting", megabytes(numbersOf(matched.tensors) * 4), "MB");
  const { signal } = context;
  const written = await writeNetwork(matched, flags.out, {
    preprocessing,
    signal,
    progress: (done) => progress.update(megabytes(done)),
  }).finally(() => progress.close());
  if (adapter !== undefined && flags.adapterOut !== undefined)
    await saveFoundAdapter(flags.adapterOut, adapter, flags.out);
  for (const note of notes) context.note(`note: ${note}`);

  const architecture = printArchitecture(spec.architecture);
  const parameters = [...matched.tensors].filter(([name]) => !/\.running_(?:mean|var)$/.test(name));
  const found =
    adapter === undefined || flags.adapterOut === undefined
      ? undefined
      : {
          out: flags.adapterOut,
          layers: adapter.config.sites.length,
          gate: adapter.config.gate,
          rank: adapter.config.rank,
          scale: adapter.config.scale,
          parameters: adapter.theta.length,
        };
  const document = {
    out: written.model,
    ...(written.weights !== undefined && { weights: written.weights }),
    architecture,
    parameters: numbersOf(parameters),
    bytes: written.bytes,
    preprocessing,
    adapter: found ?? null,
    notes,
  };
  const lines = [
    `${written.model}: ${architecture}, ${document.parameters.toLocaleString("en")} parameters`,
    ...(written.weights === undefined ? [] : [`weights: ${written.weights}, keep it next to the model`]),
    ...(found === undefined
      ? []
      : [
          `${found.out}: adapter of ${found.layers} layers, gate ${found.gate}, rank ${found.rank}, ${found.parameters.toLocaleString("en")} numbers`,
        ]),
  ];
  context.result(document, lines.join("\n"));
}

/**
 * Where the adapter's alpha comes from: the released code's rule, a range, or not from the image.
 */
function calibrationOf({ quality, alphaRange, alphaThreshold }: Flags): Calibration {
  const fail = (what: string): never => {
    throw new PetalfaceError("PETAL_OPTION_INVALID", what);
  };
  if (alphaRange === undefined && alphaThreshold === undefined)
    return quality === undefined
      ? { kind: "given", measure: "given" }
      : fail("--quality alone does not define alpha; add --alpha-threshold or --alpha-range");
  if (quality === undefined) return fail("--alpha-range and --alpha-threshold need --quality");
  if (alphaRange !== undefined && alphaThreshold !== undefined)
    return fail("--alpha-range and --alpha-threshold exclude each other");
  if (alphaThreshold !== undefined) return { kind: "paper", measure: quality, threshold: alphaThreshold };
  const [low, high, ...rest] = alphaRange ?? [];
  if (low === undefined || high === undefined || rest.length > 0 || low === high)
    return fail("--alpha-range is two different scores, LOW,HIGH");
  return { measure: quality, low, high };
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

const numbersOf = (tensors: Iterable<readonly [string, { readonly elements: number }]>): number =>
  [...tensors].reduce((sum, [, { elements }]) => sum + elements, 0);
