import { join } from "node:path";
import { type Command, Option } from "commander";
import { gateNames, methodNames } from "../../adapters/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { measureNames } from "../../quality/index.ts";
import { providerNames } from "../../runtime/index.ts";
import {
  type AdaptContext,
  type AdaptResult,
  adapt,
  calibrationNames,
  decayNames,
  lossNames,
  presetNames,
  type RunRecord,
  resume,
  type TrainingChoices,
  type TrainingOptions,
} from "../../training/index.ts";
import type { CliContext } from "../context.ts";
import { withExamples } from "../examples.ts";
import { numberList, numeric } from "../numbers.ts";
import type { Progress } from "../progress.ts";

/** Choices as commander hands them over; absent ones are the preset's. */
interface Flags {
  readonly model?: string;
  readonly normalize?: string;
  readonly train?: string;
  readonly preset?: (typeof presetNames)[number];
  readonly method?: TrainingOptions["method"];
  readonly gate?: TrainingOptions["gate"];
  readonly rank?: number;
  readonly scale?: number;
  readonly sites?: string;
  readonly loss?: TrainingOptions["loss"];
  readonly margin?: number;
  readonly quality?: string;
  readonly calibration?: TrainingOptions["calibration"];
  readonly lr?: number;
  readonly weightDecay?: number;
  readonly warmup?: number;
  readonly decay?: TrainingOptions["decay"];
  readonly clip?: number;
  readonly batch?: number;
  readonly epochs?: number;
  readonly seed?: number;
  readonly sharpShare?: number;
  readonly lrPixels?: number[];
  readonly flip?: boolean;
  readonly provider: "auto" | "cpu" | "cuda" | "webgpu";
  readonly threads?: number;
  readonly out?: string;
  readonly resume?: string;
}

/** `petalface adapt`: trains an adapter into a run folder. */
export function adaptCommand(program: Command, context: CliContext): void {
  const command = program
    .command("adapt")
    .description("train an adapter for low-resolution faces on a frozen model")
    .option("--model <file|name>", "the face recogniser (.onnx, or a name that `petalface models` lists)")
    .option(
      "--normalize <mean,scale>",
      "how pixels become the model's input, (x - mean) * scale, if the file does not say",
    )
    .option("--train <data>", "training faces: a folder, a manifest, or synthetic[:people=N,images=M,seed=S]")
    .addOption(
      new Option("--preset <name>", "a set of options; any of them can still be given")
        .choices(presetNames)
        .default("petal"),
    )
    .addOption(new Option("--method <name>", "what is trained").choices(methodNames))
    .addOption(new Option("--gate <name>", "how alpha weights the adapter").choices(gateNames))
    .option("--rank <n>", "rank channels of each layer, all parts of the gate together", numeric)
    .option("--scale <x>", "factor on the adapter's output", numeric)
    .option("--sites <pattern>", "layers to adapt: default, all, pointwise, conv, linear, or names with *")
    .addOption(new Option("--loss <name>", "training loss").choices(lossNames))
    .option("--margin <x>", "CosFace margin", numeric)
    .addOption(new Option("--quality <name>", "quality measure that alpha comes from").choices(measureNames))
    .addOption(new Option("--calibration <source>", "where alpha's range comes from").choices(calibrationNames))
    .option("--lr <x>", "peak learning rate", numeric)
    .option("--weight-decay <x>", "decoupled weight decay", numeric)
    .option("--warmup <share>", "share of the steps with rising learning rate", numeric)
    .addOption(new Option("--decay <name>", "how the learning rate falls").choices(decayNames))
    .option("--clip <x>", "largest gradient norm", numeric)
    .option("--batch <n>", "images a step", numeric)
    .option("--epochs <n>", "passes over the training faces", numeric)
    .option("--seed <n>", "seed of every random choice", numeric)
    .option("--sharp-share <share>", "share of the training images that stay sharp", numeric)
    .option("--lr-pixels <list>", "low resolutions to train on, such as 8,12,16,24", numberList)
    .option("--no-flip", "do not mirror training images")
    .addOption(new Option("--provider <name>", "where to compute").choices(providerNames).default("auto"))
    .option("--threads <n>", "threads of the engine", numeric)
    .option("--out <run>", "folder of the new run")
    .option("--resume <run>", "continue an interrupted run")
    .action((flags: Flags) => run(flags, context));
  withExamples(
    command,
    "adapt --model fr_feature --train faces/ --out runs/first",
    "adapt --model model.onnx --train synthetic:people=3000,images=4 --preset paper --out runs/paper",
    "adapt --resume runs/first",
  );
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  let progress: Progress | undefined;
  const surroundings: AdaptContext = {
    threads: flags.threads,
    provider: flags.provider === "auto" ? "cpu" : flags.provider,
    signal: context.signal,
    onStart(record, first) {
      context.note(budget(record));
      const done = first * record.options.batch;
      progress = context.progress("training", record.steps * record.options.batch, "images", done);
      progress.update(done);
    },
    onStep: ({ step, loss }, record) => progress?.update(step * record.options.batch, `loss ${loss.toFixed(3)}`),
  };
  const folder = flags.resume ?? flags.out;
  if (folder === undefined) throw new PetalfaceError("give --out RUN for a new run, or --resume RUN", { exitCode: 2 });
  const result = await (flags.resume === undefined
    ? start(flags, folder, surroundings)
    : resume(flags.resume, surroundings));
  progress?.close();
  if (!result.finished) {
    context.note(`stopped after a checkpoint; continue with: petalface adapt --resume ${folder}`);
    throw context.signal.reason;
  }
  context.result(summary(folder, result), report(folder, result));
}

function start(flags: Flags, out: string, surroundings: AdaptContext): Promise<AdaptResult> {
  if (flags.model === undefined) throw new PetalfaceError("give the face recogniser with --model", { exitCode: 2 });
  if (flags.train === undefined) throw new PetalfaceError("give training faces with --train", { exitCode: 2 });
  const { model, normalize, train, lr, preset, method, gate, rank, scale, sites, loss, margin, quality, weightDecay } =
    flags;
  const { warmup, decay, clip, batch, epochs, seed, sharpShare, lrPixels, flip, calibration } = flags;
  const options: TrainingChoices = {
    ...{
      preset,
      method,
      gate,
      rank,
      scale,
      sites,
      loss,
      margin,
      quality,
      learningRate: lr,
      weightDecay,
      warmup,
      decay,
    },
    ...{ clip, batch, epochs, seed, sharpShare, lrPixels, flip, calibration },
  };
  return adapt({ model, normalize, train, options, out }, surroundings);
}

/** One line on what is trained. */
function budget(run: RunRecord): string {
  const { parameters, share } = run.trained;
  const what =
    run.options.method === "lora"
      ? `${run.adapter.sites.length} layers, rank ${run.adapter.rank}, ${run.adapter.gate} gate`
      : run.options.method;
  return `training ${parameters.toLocaleString("en")} numbers, ${(100 * share).toFixed(2)} % of the model (${what}), on ${run.data.images.toLocaleString("en")} faces of ${run.data.people.toLocaleString("en")} people`;
}

const summary = (folder: string, { run }: AdaptResult): unknown => ({
  ...run,
  folder,
  adapterFolder: join(folder, "adapter"),
});

function report(folder: string, { run }: AdaptResult): string {
  const { low, high, measure } = run.adapter.calibration;
  return [
    budget(run),
    `alpha: ${measure} from ${low.toFixed(2)} (0) to ${high.toFixed(2)} (1)`,
    `adapter: ${join(folder, "adapter")}`,
    `next: petalface evaluate --model ${run.model.given} --adapter ${folder} --protocol PAIRS --data FACES`,
  ].join("\n");
}
