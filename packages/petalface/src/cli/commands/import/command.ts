import { type Command, Option } from "commander";
import { importCheckpoint } from "../../../api/import.ts";
import { PetalfaceError } from "../../../errors.ts";
import { type Calibration, measureNames } from "../../../quality/index.ts";
import type { CliContext } from "../../context.ts";
import { withExamples } from "../../examples.ts";
import { withFlags } from "../../flags.ts";
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

async function run(checkpoint: string, flags: Flags, context: CliContext): Promise<void> {
  const imported = await importCheckpoint({ checkpoint, ...flags, calibration: calibrationOf(flags) }, context);
  const { out, architecture, parameters, weights, adapter } = imported;
  const lines = [`${out}: ${architecture}, ${parameters.toLocaleString("en")} parameters`];
  if (weights !== undefined) lines.push(`weights: ${weights}, keep it next to the model`);
  if (adapter !== null)
    lines.push(
      `${adapter.out}: adapter of ${adapter.layers} layers, gate ${adapter.gate}, rank ${adapter.rank}, ${adapter.parameters.toLocaleString("en")} numbers`,
    );
  context.result({ ...imported, notes: imported.notes.map(withFlags) }, lines.join("\n"));
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
