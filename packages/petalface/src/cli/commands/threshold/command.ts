import type { Command } from "commander";
import { findOperatingPoints } from "../../../api/threshold/find.ts";
import { printThresholds } from "../../../deploy/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { type CacheFlags, withCacheOption } from "../../cache-option.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { type ModelFlags, withModelOptions } from "../../model.ts";
import { parseInteger } from "../../options.ts";

interface Flags extends ModelFlags, CacheFlags, DataFlags {
  readonly data: string;
  readonly protocol?: string;
  readonly far: number[];
  readonly resamples: number;
  readonly seed: number;
  readonly out?: string;
}

/** `petalface threshold`: which cosine to deploy. */
export function thresholdCommand(program: Command, context: CliContext): void {
  const command = withDataOptions(withCacheOption(withModelOptions(program.command("threshold"))))
    .description("find the thresholds that give wanted false-accept rates, also by the quality of faces")
    .requiredOption("--data <data>", "faces of known people, as your cameras give them: sharp ones and others")
    .option("--protocol <pairs>", "compare only the pairs of this list; all faces with each other unless given")
    .option("--far <rates>", "false-accept rates, such as 1e-3,1e-4", parseRates, [1e-2, 1e-3])
    .option("--resamples <n>", "resamples of the bootstrap over people", parseInteger("--resamples", 20, 100_000), 200)
    .option("--seed <n>", "seed of the bootstrap", parseInteger("--seed", 0, 2 ** 31), 1)
    .option("--out <file>", "JSON file to write; thresholds.json of the run unless given, where export finds it")
    .action((flags: Flags) => run(flags, context));
  withExamples(
    command,
    "threshold --model fr_feature --adapter runs/first --data faces --far 1e-2,1e-3",
    "threshold --model fr_feature --data lfw --protocol pairs.txt --far 1e-2",
  );
}

function parseRates(text: string): number[] {
  const rates = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (!rates.every((rate) => rate > 0 && rate < 1))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `--far is a list of rates between 0 and 1, such as 1e-3,1e-4, not ${text}`,
    );
  return rates;
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const { thresholds, stored, out } = await findOperatingPoints({ ...flags, ...leftOutOptions(flags) }, context);
  context.result(
    { ...stored, out: out ?? null },
    [...printThresholds(thresholds), ...(out === undefined ? [] : [`written to ${out}`])].join("\n"),
  );
}
