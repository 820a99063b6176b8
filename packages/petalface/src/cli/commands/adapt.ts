import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { gateNames, loraInitNames, methodNames } from "../../adapters/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { isGiven, measureNames, printCalibration, printSet } from "../../quality/index.ts";
import { providerNames } from "../../runtime/index.ts";
import {
  type AdaptContext,
  type AdaptResult,
  adapt,
  arcGradientNames,
  baseNames,
  batchNormNames,
  calibrationNames,
  decayNames,
  firstStepNames,
  lossNames,
  optimizerNames,
  presetNames,
  type RunRecord,
  resume,
  type TrainingChoices,
  type ValidationRecord,
  type ValidationRequest,
} from "../../training/index.ts";
import type { CliContext } from "../context.ts";
import { withExamples } from "../examples.ts";
import { byteSize, numberList, numeric } from "../numbers.ts";
import type { Progress } from "../progress.ts";
import { alignedChoices, trainingFaces } from "../train-faces.ts";
import { openPairsValidator } from "../validation.ts";

/** What commander hands over: the choices, under the names of their flags; absent ones are the preset's. */
interface Flags extends Omit<TrainingChoices, "learningRate" | "validateEvery"> {
  readonly model?: string;
  readonly normalize?: string;
  readonly train?: string;
  readonly aligned: (typeof alignedChoices)[number];
  readonly lr?: number;
  readonly val?: string;
  readonly valData?: string;
  readonly valPixels?: number[];
  readonly valEvery?: number;
  readonly prefixCache?: number;
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
    .option("--train <data>", "training faces: a folder, a manifest, a .rec, or synthetic[:people=N,images=M,seed=S]")
    .addOption(
      new Option("--aligned <choice>", "whether the training photos are aligned faces; other photos are aligned first")
        .choices(alignedChoices)
        .default("auto"),
    )
    .addOption(
      new Option("--preset <name>", "a set of options; any of them can still be given")
        .choices(presetNames)
        .default("petal"),
    )
    .addOption(new Option("--method <name>", "what is trained").choices(methodNames))
    .addOption(new Option("--gate <name>", "how alpha weights the adapter").choices(gateNames))
    .option("--rank <n>", "rank channels of each layer, all parts of the gate together", numeric)
    .option("--scale <x>", "factor on the adapter's output", numeric)
    .option("--rank-stable", "rsLoRA: divide --scale by the square root of the rank")
    .option("--dropout <share>", "share of the rank channels that are silent in a step", numeric)
    .option(
      "--output-dropout <share>",
      "share of the numbers that an adapter adds to its product, silent in a step",
      numeric,
    )
    .option("--drop-path <share>", "share of the images that the last residual branch leaves out in a step", numeric)
    .option("--feature-dropout <share>", "share of the numbers that the last product does not see in a step", numeric)
    .option("--token-masking <share>", "share of the tokens that do not pass through a ViT's blocks in a step", numeric)
    .option("--sites <pattern>", "layers to adapt: default, all, pointwise, conv, linear, qkv, head, or names with *")
    .option("--ungated <pattern>", "those of them whose adapter has no gate, and one part's rank")
    .addOption(new Option("--lora-init <name>", "what adapters start from").choices(loraInitNames))
    .addOption(new Option("--batch-norm <form>", "whether batch normalisations stay or train").choices(batchNormNames))
    .addOption(new Option("--loss <name>", "training loss").choices(lossNames))
    .option("--margin <x>", "margin: CosFace, AdaFace 0.4, ArcFace, CurricularFace 0.5", numeric)
    .addOption(
      new Option("--arc-gradient <name>", "ArcFace's own gradient, or the released code's").choices(arcGradientNames),
    )
    .option("--logit-scale <x>", "factor on the cosines of a margin loss", numeric)
    .option("--loss-floor <p>", "least probability that a margin loss counts", numeric)
    .option("--concentration <x>", "AdaFace: share of a deviation of the length that its margin changes over", numeric)
    .option("--magnitudes <low,high>", "MagFace: lengths of the embedding between which its margin grows", numberList)
    .option("--magnitude-margins <low,high>", "MagFace: the margins there", numberList)
    .option("--magnitude-weight <x>", "MagFace: factor of the term that rewards length", numeric)
    .option("--loss-momentum <share>", "AdaFace, CurricularFace: share of a batch in the running statistics", numeric)
    .option("--distil-weight <x>", "factor on the distillation loss", numeric)
    .option("--classes-per-step <n>", "class centres in a step; with more people the others rest (Partial FC)", numeric)
    .option("--centre-faces <n>", "faces that a class centre starts as the mean of; 0: random centres", numeric)
    .option(
      "--quality <name>",
      `quality measure that alpha comes from: ${measureNames.join(", ")}; weights as in brisque:model=FILE,range=FILE`,
    )
    .addOption(new Option("--calibration <source>", "where alpha's range comes from").choices(calibrationNames))
    .option("--alpha-range <low,high>", "scores at which alpha is 0 and 1, instead of fitted ones", numberList)
    .option("--alpha-threshold <score>", "score at which --calibration paper has alpha 0.5", numeric)
    .addOption(new Option("--optimizer <name>", "how gradients become steps").choices(optimizerNames))
    .option("--lr <x>", "peak learning rate; the one option that --resume may change", numeric)
    .option("--weight-decay <x>", "weight decay, decoupled in AdamW", numeric)
    .option("--momentum <share>", "SGD: share of the velocity that stays", numeric)
    .option("--nesterov", "SGD: look ahead along the velocity")
    .option("--warmup <share>", "share of the steps with rising learning rate", numeric)
    .option("--warmup-epochs <n>", "the same in epochs; 0 leaves it to --warmup", numeric)
    .addOption(
      new Option("--first-step <rate>", "whether the first step has the peak rate, as in the released code").choices(
        firstStepNames,
      ),
    )
    .addOption(new Option("--decay <name>", "how the learning rate falls").choices(decayNames))
    .option("--clip <x>", "largest gradient norm", numeric)
    .option("--batch <n>", "images a step", numeric)
    .option(
      "--accumulate <n>",
      "parts that a step's images are computed in: less memory, same step; of 4 to 8 images unless given",
      numeric,
    )
    .addOption(
      new Option("--base <numbers>", "numbers of the frozen weights while training; int8: faster, 1 % off").choices(
        baseNames,
      ),
    )
    .option("--epochs <n>", "passes over the training faces", numeric)
    .option("--drop-last", "end an epoch with its last whole batch")
    .option("--seed <n>", "seed of every random choice", numeric)
    .option("--sharp-share <share>", "share of the training images that stay sharp", numeric)
    .addOption(
      new Option("--lr-pixels <list>", "low resolutions to train on, such as 8,12,16,24")
        .argParser(numberList)
        .conflicts("degrade"),
    )
    .option("--degrade <spec>", "train on a camera model instead, such as down=8-24:any,noise=0-10,jpeg=20-80")
    .option("--no-flip", "do not mirror training images")
    .option(
      "--variants <n>",
      "different draws of each face; what frozen layers below all adapters make of them is kept",
      numeric,
    )
    .option(
      "--prefix-cache <size|off>",
      "with --variants: most that is kept of them on disk, such as 500M or 4G",
      byteSize,
    )
    .option("--val <protocol>", "measure the adapter now and then, keep the best: pairs file, drawn[:...], or faces")
    .option("--val-data <data>", "the faces that --val names")
    .option("--val-pixels <list>", "low resolutions to measure at; 16 unless given", numberList)
    .option("--val-every <n>", "steps between two measurements; once an epoch unless given", numeric)
    .option("--patience <n>", "stop after so many measurements without a better one", numeric)
    .option("--checkpoint-seconds <x>", "seconds between two checkpoints; 0: after every step", numeric)
    .option("--tensorboard", "write TensorBoard event files into the run's tensorboard folder")
    .addOption(new Option("--provider <name>", "where to compute").choices(providerNames).default("auto"))
    .option("--threads <n>", "threads of the engine", numeric)
    .option("--out <run>", "folder of the new run")
    .option("--resume <run>", "continue an interrupted run")
    .action((flags: Flags) => {
      if (flags.resume !== undefined) refuseChanges(command);
      return run(flags, context);
    });
  withExamples(
    command,
    "adapt --model fr_feature --train faces/ --out runs/first",
    "adapt --model model.onnx --train synthetic:people=3000,images=4 --preset paper --out runs/paper",
    "adapt --model fr_feature --train faces/ --val pairs.txt --val-data lfw/ --patience 3 --out runs/stopped-early",
    "adapt --resume runs/first",
  );
}

/** What may be given together with `--resume`: what does not change the result, and the learning rate, which is noted. */
const resumable: readonly string[] = ["resume", "lr", "threads", "provider", "prefixCache"];

/** A run goes on with its own options: others are refused, not ignored. */
function refuseChanges(command: Command): void {
  const given = command.options.find(
    (option) =>
      command.getOptionValueSource(option.attributeName()) === "cli" && !resumable.includes(option.attributeName()),
  );
  if (given !== undefined)
    throw new PetalfaceError(
      `${given.long} cannot be given with --resume: the run goes on with the options in its run.json; start a new run with --out to change them`,
      { exitCode: 2 },
    );
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  let progress: Progress | undefined;
  const surroundings: AdaptContext = {
    threads: flags.threads,
    prefixBytes: flags.prefixCache,
    provider: flags.provider === "auto" ? "cpu" : flags.provider,
    signal: context.signal,
    onStart(record, first) {
      context.note(budget(record));
      const found = record.data.set && printSet(record.data.set);
      if (found !== undefined && first === 0) context.note(`the training set: ${found}`);
      if (record.validation?.fingerprint.endsWith(record.data.fingerprint))
        context.note(
          "the validation faces are the training faces: the best adapter is then the one that knows them best",
        );
      const done = first * record.options.batch;
      progress = context.progress("training", record.steps * record.options.batch, "images", done);
      progress.update(done);
    },
    openValidator: openPairsValidator,
    onValidation: (record, run) => context.note(validated(record, run)),
    onStep: ({ step, loss }, record) => progress?.update(step * record.options.batch, `loss ${loss.toFixed(3)}`),
  };
  const folder = flags.resume ?? flags.out;
  if (folder === undefined) throw new PetalfaceError("give --out RUN for a new run, or --resume RUN", { exitCode: 2 });
  const result = await (flags.resume === undefined
    ? start(flags, folder, surroundings, context)
    : resume(flags.resume, surroundings, { learningRate: flags.lr }));
  progress?.close();
  if (!result.finished) {
    context.note(`stopped after a checkpoint; continue with: petalface adapt --resume ${folder}`);
    throw context.signal.reason;
  }
  context.result(summary(folder, result), report(folder, result));
}

async function start(flags: Flags, out: string, surroundings: AdaptContext, context: CliContext): Promise<AdaptResult> {
  if (flags.model === undefined) throw new PetalfaceError("give the face recogniser with --model", { exitCode: 2 });
  if (flags.train === undefined) throw new PetalfaceError("give training faces with --train", { exitCode: 2 });
  const { model, normalize, train, lr: learningRate, valEvery: validateEvery, ...choices } = flags;
  const {
    val,
    valData,
    valPixels,
    provider,
    threads,
    resume: resumed,
    out: folder,
    prefixCache,
    aligned,
    ...named
  } = choices;
  const options: TrainingChoices = { ...named, learningRate, validateEvery };
  const photos = {
    train,
    model,
    normalize,
    out,
    aligned,
    threads: threads ?? availableParallelism(),
    told: isGiven(named.quality ?? ""),
  };
  const data = await trainingFaces(photos, context);
  return adapt(
    { model, normalize, train: data?.spec ?? train, options, out, validation: validationOf(flags) },
    data === undefined ? surroundings : { ...surroundings, data },
  );
}

function validationOf({ val, valData, valPixels, valEvery, patience }: Flags): ValidationRequest | undefined {
  if (val !== undefined) return { protocol: val, data: valData, pixels: valPixels ?? [16] };
  if (valData ?? valPixels ?? valEvery ?? patience)
    throw new PetalfaceError("--val-data, --val-pixels, --val-every and --patience need --val PROTOCOL", {
      exitCode: 2,
    });
  return undefined;
}

/** One line on a validation. */
function validated({ step, validation: { value, standardError, best } }: ValidationRecord, run: RunRecord): string {
  const measured = `${(100 * value).toFixed(2)} +- ${(100 * standardError).toFixed(2)} %`;
  return `step ${step}: ${run.validation?.measure ?? "validation"} ${measured}${best ? ", the best so far" : ""}`;
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

const summary = (folder: string, { run, waiting }: AdaptResult): unknown => ({
  ...run,
  waiting: waiting ?? null,
  folder,
  adapterFolder: join(folder, "adapter"),
});

function report(folder: string, { run, waiting }: AdaptResult): string {
  return [
    budget(run),
    printCalibration(run.adapter.calibration),
    ...(run.result === undefined
      ? []
      : [
          `best of ${run.result.steps} steps: step ${run.result.best.step}, ${(100 * run.result.best.value).toFixed(2)} +- ${(100 * run.result.best.standardError).toFixed(2)} % (${run.validation?.measure})`,
        ]),
    ...(waiting === undefined ? [] : [`waited for images: ${(100 * waiting).toFixed(1)} % of the time`]),
    `adapter: ${join(folder, "adapter")}`,
    `next: petalface evaluate --model ${run.model.given} --adapter ${folder} --protocol PAIRS --data FACES`,
  ].join("\n");
}
