import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { adapterHash } from "../../../adapters/index.ts";
import { engineOf, openModel } from "../../../api/model.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { openPairs } from "../../../api/protocol.ts";
import { type StoredThresholds, thresholdsFile } from "../../../api/thresholds.ts";
import { measureThresholds, printThresholds, type Thresholds } from "../../../deploy/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { writeFileSafely } from "../../../files.ts";
import { type CacheFlags, withCacheOption } from "../../cache-option.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, openFaces, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { type ModelFlags, withModelOptions } from "../../model.ts";
import { parseInteger } from "../../options.ts";
import { compareAll, comparePairs } from "./compare.ts";
import { comparedFaces, embedAll } from "./embed.ts";

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
  const out = flags.out ?? (await runFile(flags.adapter));
  await using _outputs = await claimOutputs([out], context, { inputs: [flags.data, flags.protocol, flags.model] });
  const opened = await openModel(flags);
  const { backbone, adapter } = opened;
  const whole = await openFaces(flags.data, flags, context);
  const protocol = flags.protocol === undefined ? undefined : await openPairs(flags.protocol, {}, whole);
  const data = protocol === undefined ? comparedFaces(whole) : whole;
  if (data.length < whole.length) context.note(`${data.length} of ${whole.length} faces are compared, taken evenly`);
  const faces = await embedAll(data, opened, engineOf(flags), flags, context);
  const comparisons = protocol === undefined ? compareAll(faces) : comparePairs(faces, protocol);
  const people = protocol === undefined ? data.people.length : protocol.people.length;
  const bootstrap = { resamples: flags.resamples, seed: flags.seed };
  const measured = measureThresholds(comparisons, people, flags.far, bootstrap, adapter !== undefined);
  const thresholds: Thresholds = {
    format: 1,
    data: protocol === undefined ? data.spec : `${data.spec}, ${protocol.name}`,
    people,
    faces: protocol === undefined ? data.length - faces.left.size : protocol.images.length,
    ...measured,
  };
  const stored: StoredThresholds = {
    ...thresholds,
    model: backbone.spec.sha256,
    adapter: adapter === undefined ? null : adapterHash(adapter),
  };
  if (out !== undefined) await writeFileSafely(out, `${JSON.stringify(stored, null, 2)}\n`);
  context.result(
    { ...stored, out: out ?? null },
    [...printThresholds(thresholds), ...(out === undefined ? [] : [`written to ${out}`])].join("\n"),
  );
}

/** Where the thresholds of a run are kept; undefined for an adapter without a run, or none. */
async function runFile(adapter: string | undefined): Promise<string | undefined> {
  if (adapter === undefined) return undefined;
  const isRun = await stat(join(adapter, "run.json")).then(
    (entry) => entry.isFile(),
    () => false,
  );
  return isRun ? join(adapter, thresholdsFile) : undefined;
}
