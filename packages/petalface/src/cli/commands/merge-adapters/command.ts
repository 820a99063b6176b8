import type { Command } from "commander";
import { adapterFiles, combineAdapters, loadAdapter, saveAdapter } from "../../../adapters/index.ts";
import { choicesOf } from "../../../api/model.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { openBackbone } from "../../../backbones/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import type { ModelChoices } from "../../../models/index.ts";
import { printArgument } from "../../../print-path.ts";
import type { CliContext } from "../../context.ts";
import { printCommand, withExamples } from "../../examples.ts";
import { withModelChoices } from "../../model.ts";
import { parseInteger } from "../../options.ts";

interface Weighted {
  readonly folder: string;
  readonly weight: number;
}

interface Flags extends ModelChoices {
  readonly model: string;
  readonly adapter: readonly Weighted[];
  readonly calibrationOf?: number;
  readonly out: string;
}

/** `petalface merge-adapters`: a weighted sum of adapters of one model, as one adapter. */
export function mergeAdaptersCommand(program: Command, context: CliContext): void {
  const command = withModelChoices(program.command("merge-adapters"))
    .description("add adapters of one model, each with its weight, to one adapter")
    .requiredOption("--model <file|name>", "the face recogniser that the adapters belong to")
    .requiredOption(
      "--adapter <run=weight>",
      "a run or adapter folder and its weight, such as runs/door=0.5; give it for each adapter",
      (text: string, before: readonly Weighted[] = []) => [...before, parseWeighted(text)],
    )
    .option(
      "--calibration-of <n>",
      "number of the adapter (1: the first) whose calibration gives alpha, where they differ",
      parseInteger("--calibration-of", 1, 1000),
    )
    .requiredOption("--out <folder>", "folder for the adapter")
    .action((flags: Flags) => run(flags, context));
  withExamples(
    command,
    "merge-adapters --model fr_feature --adapter runs/door=0.5 --adapter runs/yard=0.5 --out adapters/both",
  );
}

function parseWeighted(text: string): Weighted {
  const at = text.lastIndexOf("=");
  const number = text.slice(at + 1).trim();
  const weight = number === "" ? Number.NaN : Number(number);
  if (at < 1 || !Number.isFinite(weight))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `--adapter is a folder and its weight, such as runs/door=0.5, not ${text}`,
    );
  return { folder: text.slice(0, at), weight };
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const { model, out, calibrationOf, adapter: given } = flags;
  if (calibrationOf !== undefined && calibrationOf > given.length)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `--calibration-of is a number from 1 to ${given.length}, not ${calibrationOf}`,
    );
  await using _outputs = await claimOutputs(adapterFiles(out), context, { inputs: [model] });
  const backbone = await openBackbone(model, choicesOf(flags));
  const summands = [];
  for (const { folder, weight } of given)
    summands.push({ name: folder, weight, adapter: await loadAdapter(folder, backbone) });
  const sum = combineAdapters(backbone, summands, calibrationOf === undefined ? undefined : calibrationOf - 1);
  await saveAdapter(out, backbone, sum);
  const { rank, gate, sites } = sum.config;
  const next = `evaluate --model ${printArgument(model)} --adapter ${printArgument(out)} --protocol drawn --data FACES --degrade lr:16`;
  context.result(
    { out, rank, gate, layers: sites.length, numbers: sum.theta.length, adapters: given },
    [
      `${out}: the sum of ${given.length} adapters, rank ${rank}, ${sites.length} layers`,
      "Measure it before you use it:",
      printCommand(next),
    ].join("\n"),
  );
}
