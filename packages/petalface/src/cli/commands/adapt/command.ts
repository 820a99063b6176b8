import { join } from "node:path";
import { type Command, Option } from "commander";
import { type AdaptedRun, adaptIn, resumeIn, type TrainingSurroundings } from "../../../api/adapt/adapt.ts";
import { alignedChoices } from "../../../api/align/aligned-choices.ts";
import { assumedNote, choicesOf } from "../../../api/model.ts";
import type { MpiRanks } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { launchOf } from "../../../launched.ts";
import type { ModelChoices } from "../../../models/index.ts";
import { printArgument } from "../../../print-path.ts";
import { printCalibration, printSet } from "../../../quality/index.ts";
import { providerNames } from "../../../runtime/index.ts";
import {
  groups,
  type ResumeChanges,
  type RunRecord,
  type TrainingChoices,
  type ValidationRecord,
} from "../../../training/index.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
import { printCommand, withExamples } from "../../examples.ts";
import { withHelpTopics } from "../../help-topics.ts";
import { withModelChoices } from "../../model.ts";
import { byteSize, numberList, numeric } from "../../numbers.ts";
import { endNotes, startNotes } from "./training-notes.ts";
import { givenChoices, trainingOption, withTrainingOptions } from "./training-options.ts";

/** What surrounds the options of training, which are read with {@link givenChoices}. */
interface Flags extends ModelChoices, DataFlags {
  readonly model?: string;
  readonly train?: string;
  readonly aligned: (typeof alignedChoices)[number];
  readonly val?: string;
  readonly valData?: string;
  readonly valPixels?: number[];
  readonly prefixCache?: number;
  readonly provider: (typeof providerNames)[number];
  readonly threads?: number;
  readonly out?: string;
  readonly minutes?: number;
  readonly init?: string;
  readonly camera?: string;
  readonly resume?: string;
}

/**
 * Topic of the options that are not in the table of training options, and which of them help shows
 * first.
 */
const topics = { model: "Model", ...groups } as const;
const places: Readonly<Record<string, keyof typeof topics>> = {
  model: "model",
  normalize: "model",
  channels: "model",
  size: "model",
  output: "model",
  train: "data",
  camera: "data",
  aligned: "data",
  prefixCache: "data",
  maxLeftOut: "data",
};
const mainFlags: readonly string[] = ["model", "train", "val", "valData", "out", "minutes", "resume"];

/** `petalface adapt`: trains an adapter into a run folder. */
export function adaptCommand(program: Command, context: CliContext): void {
  const command = withModelChoices(program.command("adapt"))
    .description("train an adapter for low-resolution faces on a frozen model")
    .option("--model <file|name>", "the face recogniser (.onnx, or a name that `petalface models` lists)")
    .option("--train <data>", "training faces: a folder, a manifest, a .rec, or synthetic[:people=N,images=M,seed=S]")
    .addOption(
      new Option("--aligned <choice>", "whether the training photos are aligned faces; other photos are aligned first")
        .choices(alignedChoices)
        .default("auto"),
    )
    .option(
      "--val <protocol>",
      "validate regularly and keep the best adapter: pairs file, drawn[:...], faces, or cosine (needs no identities)",
    )
    .option("--val-data <data>", "the faces of the pairs that --val names, or of --val cosine")
    .option("--val-pixels <list>", "low resolutions to validate at (default 16)", numberList)
    .option("--out <run>", "folder of the new run")
    .addOption(
      new Option(
        "--minutes <n>",
        "instead of --epochs: time for everything but validations; a few steps are timed first",
      )
        .argParser(numeric)
        .conflicts("epochs"),
    )
    .option("--init <adapter>", "a run or adapter to start from; its gate, rank and layers are kept")
    .option("--camera <crops>", "unlabelled aligned faces of your camera: the trained adapter is centred on them")
    .option("--resume <run>", "continue an interrupted run, or train it longer with --epochs");
  withTrainingOptions(command)
    .option(
      "--prefix-cache <size|off>",
      "with --variants: disk space for the kept output of frozen layers, such as 500M (default 4G)",
      byteSize,
    )
    .addOption(
      new Option("--provider <name>", "execution provider that computes").choices(providerNames).default("auto"),
    )
    .option("--threads <n>", "threads of the engine (default: all cores)", numeric)
    .action((flags: Flags) => {
      if (flags.resume !== undefined) refuseChanges(command);
      return run(flags, givenChoices(command), context);
    });
  withDataOptions(command);
  withHelpTopics(command, {
    topics,
    topicOf: (name) => trainingOption(name)?.group ?? places[name] ?? "run",
    isMain: (name) => trainingOption(name)?.extras.main ?? mainFlags.includes(name),
  });
  withExamples(
    command,
    "adapt --model fr_feature --train faces/ --out runs/first",
    "adapt --model model.onnx --train synthetic:people=3000,images=4 --preset paper --out runs/paper",
    "adapt --model fr_feature --train faces/ --val pairs.txt --val-data lfw/ --patience 3 --out runs/stopped-early",
    "adapt --model fr_feature --train faces/ --minutes 30 --out runs/half-an-hour",
    "adapt --resume runs/first",
  );
}

/**
 * Options that give `--resume` the new places of files; their content is checked to be the same.
 */
const moved: readonly string[] = ["model", "train", "val", "valData"];

/**
 * What may be given together with `--resume`: what does not change the result, and learning rate
 * and epochs, which are noted.
 */
const resumable: readonly string[] = [
  "resume",
  "lr",
  "epochs",
  "threads",
  "provider",
  "prefixCache",
  "maxLeftOut",
  ...moved,
];

/** A run continues with its own options: others are refused, not ignored. */
function refuseChanges(command: Command): void {
  const given = command.options.find(
    (option) =>
      command.getOptionValueSource(option.attributeName()) === "cli" && !resumable.includes(option.attributeName()),
  );
  if (given !== undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `${given.long} cannot be given with --resume: the run continues with the options in its run.json; start a new run with --out to change them`,
    );
}

async function run(flags: Flags, choices: TrainingChoices, context: CliContext): Promise<void> {
  if (launchOf(process.env) === undefined) return await train(flags, choices, context);
  const { openRanks } = await import("../../../cluster/index.ts");
  const ranks = await openRanks();
  if (ranks === undefined) return await train(flags, choices, context);
  const { onRanks } = await import("./ranks.ts");
  await onRanks(ranks, context, (own) => train(flags, choices, own, ranks));
}

async function train(flags: Flags, choices: TrainingChoices, context: CliContext, ranks?: MpiRanks): Promise<void> {
  const surroundings: TrainingSurroundings = {
    ranks,
    threads: flags.threads,
    prefixBytes: flags.prefixCache,
    provider: flags.provider,
    ...leftOutOptions(flags),
    onStart(record, first) {
      ranks?.hint(
        `; continue with the same launcher: petalface adapt --resume ${printArgument(flags.resume ?? flags.out ?? "RUN")}`,
      );
      for (const line of budget(record)) context.note(line);
      for (const line of startNotes(record, { ...choices, minutes: flags.minutes, resume: flags.resume }))
        context.note(line);
      if (record.model.assumed) context.note(assumedNote({ path: record.model.given, spec: record.model.assumed }));
      const found = record.data.set && printSet(record.data.set);
      if (found !== undefined && first === 0) context.note(`the training set: ${found}`);
      if (record.validation?.fingerprint.endsWith(record.data.fingerprint))
        context.note("warning: validation uses training faces, so the chosen adapter may be overfitted");
    },
    onValidation: (record, run) => context.note(validated(record, run)),
  };
  const result = await (flags.resume === undefined
    ? start(flags, choices, surroundings, context)
    : resumeIn({ ...surroundings, ...changesOf(flags, choices), run: flags.resume }, context));
  const { folder } = result;
  if (!result.finished) {
    context.note(`stopped after a checkpoint; continue with: petalface adapt --resume ${printArgument(folder)}`);
    if (ranks === undefined) throw context.signal.reason;
    // Any rank may have had the signal.
    context.exitCode = 130;
    return;
  }
  for (const line of endNotes(folder, result.run)) context.note(line);
  context.result(summary(result), report(result));
}

function start(
  flags: Flags,
  choices: TrainingChoices,
  surroundings: TrainingSurroundings,
  context: CliContext,
): Promise<AdaptedRun> {
  const { model, train, out, init, camera, aligned, val, valData, valPixels, minutes } = flags;
  if (out === undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give --out RUN for a new run, or --resume RUN");
  if (model === undefined) throw new PetalfaceError("PETAL_OPTION_INVALID", "give the face recogniser with --model");
  if (train === undefined) throw new PetalfaceError("PETAL_OPTION_INVALID", "give training faces with --train");
  const files = { model, train, out, init, camera, val, valData };
  return adaptIn({ ...surroundings, ...choices, ...choicesOf(flags), ...files, aligned, valPixels, minutes }, context);
}

const changesOf = (
  { model, train, val, valData }: Flags,
  { learningRate, epochs }: TrainingChoices,
): ResumeChanges => ({
  ...{ learningRate, epochs, model, train, val, valData },
});

/** One line on a validation. */
function validated(
  { step, validation: { value, standardError, best, parts = {} } }: ValidationRecord,
  run: RunRecord,
): string {
  const measured = `${(100 * value).toFixed(2)} +- ${(100 * standardError).toFixed(2)} %`;
  const each = Object.entries(parts).map(([name, part]) => `${name} ${(100 * part).toFixed(2)}`);
  const detail = each.length > 0 ? ` (${each.join(", ")})` : "";
  return `step ${step}: ${run.validation?.measure ?? "validation"} ${measured}${detail}${best ? ", the best so far" : ""}`;
}

/** What is trained, and on what. */
function budget(run: RunRecord): string[] {
  const { parameters, share } = run.trained;
  const what =
    run.adapter.sites.length > 0
      ? `${run.adapter.sites.length} layers, rank ${run.adapter.rank}, ${run.adapter.gate} gate`
      : run.options.method;
  return [
    `training ${parameters.toLocaleString("en")} numbers, ${(100 * share).toFixed(2)} % of the model (${what})`,
    `on ${run.data.images.toLocaleString("en")} faces of ${run.data.people.toLocaleString("en")} people`,
  ];
}

const summary = ({ run, waiting, leftOut, validationLeftOut, folder }: AdaptedRun): unknown => ({
  ...run,
  leftOut,
  ...(validationLeftOut && { validationLeftOut }),
  waiting: waiting ?? null,
  folder,
  adapterFolder: join(folder, "adapter"),
});

function report({ run, waiting, folder }: AdaptedRun): string {
  return [
    ...budget(run),
    printCalibration(run.adapter.calibration),
    ...(run.result === undefined
      ? []
      : [
          `best of ${run.result.steps} steps: step ${run.result.best.step}, ${(100 * run.result.best.value).toFixed(2)} +- ${(100 * run.result.best.standardError).toFixed(2)} % (${run.validation?.measure})`,
        ]),
    ...(waiting === undefined ? [] : [`waited for images: ${(100 * waiting).toFixed(1)} % of the time`]),
    `adapter: ${join(folder, "adapter")}`,
    `next:\n${printCommand(`evaluate --model ${printArgument(run.model.given)} --adapter ${printArgument(folder)} --protocol PAIRS --data FACES`)}`,
  ].join("\n");
}
