import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Help, Option } from "commander";
import { openEmbedder } from "../../../backbones/index.ts";
import type { FaceData } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import {
  degradationLabel,
  type EvaluationResult,
  evaluatePairs,
  type Fusion,
  findProtocol,
  type LeftOut,
  measuredProtocol,
  type NamedProtocol,
  namedProtocols,
  type PairsProtocol,
  percent,
  printIntervals,
  printQualityBins,
  printTable,
  qualityBins,
  referenceOf,
  saveEvaluation,
  withoutDetail,
} from "../../../evaluation/index.ts";
import { openLoader, parseDegradation, printDegradation } from "../../../images/index.ts";
import { openResources } from "../../../resources.ts";
import type { CliContext } from "../../context.ts";
import { leftOutOf, openFaces, withDataOptions } from "../../data.ts";
import { type CacheFlags, openCache, withCacheOption } from "../../embed.ts";
import { examplesText, printCommand } from "../../examples.ts";
import { formatMeasures, printAs, withFormatOption } from "../../formats.ts";
import { fitLines } from "../../lines.ts";
import { measureBoth } from "../../measured.ts";
import { type Engine, engineOf, type OpenedModel, openModel, withModelOptions } from "../../model.ts";
import { collect, parseInteger } from "../../options.ts";
import { claimOutputs } from "../../outputs.ts";
import { openProtocol, parseFolds } from "../../protocol.ts";
import { writeEvaluationReport } from "../../report.ts";
import { evaluationFolder, resultFile } from "../../results.ts";
import { plainTable } from "../../table.ts";
import { evaluateNamed, type MatchFlags } from "./match.ts";
import { viewPeople } from "./views.ts";

interface Flags extends MatchFlags {
  readonly protocol: string;
  readonly folds?: number[];
  readonly bins?: "quality";
  readonly qualityBins: number;
  readonly out?: string;
  readonly report?: string;
  readonly views?: number;
}

/** What is measured unless `--degrade` says otherwise: the resolution that the method's tables begin with. */
const defaultDegradations = ["lr:16"];

interface Task extends CacheFlags {
  readonly data: FaceData;
  readonly protocol: PairsProtocol;
  readonly degradations: readonly string[];
  readonly bootstrap: { readonly resamples: number; readonly seed: number };
  readonly engine: Engine;
  readonly fusion: Fusion;
}

async function measure(
  name: string,
  opened: OpenedModel,
  task: Task,
  context: CliContext,
  leave: LeftOut | undefined,
): Promise<EvaluationResult> {
  const { model } = opened;
  await using open = openResources();
  const store = open.keep(await openCache(task, opened, task.engine, context));
  const embedder = open.keep(await openEmbedder(model, task.engine));
  const loader = open.keep(openLoader({ size: model.size, threads: task.engine.threads }));
  const total = task.protocol.images.length * (task.degradations.length + 1);
  const progress = context.progress(`measuring the ${name} model`, total, "faces");
  try {
    return await evaluatePairs({
      ...task,
      embedder,
      loader,
      store,
      signal: context.signal,
      leave,
      onProgress: ({ done, degradation }) =>
        progress.update(done, degradation === null ? "sharp" : degradationLabel(degradation)),
    });
  } finally {
    progress.close();
  }
}

/** Where results go: `--out`, else the run that the adapter is from, else nowhere. */
async function resultsFolder(flags: Flags): Promise<string | undefined> {
  if (flags.out !== undefined) return flags.out;
  if (flags.adapter === undefined) return undefined;
  const isRun = await stat(join(flags.adapter, "run.json")).then(
    (entry) => entry.isFile(),
    () => false,
  );
  return isRun ? join(flags.adapter, evaluationFolder) : undefined;
}

/** The report of the run that the results belong to; with `--out` there is one where a part of it was asked for. */
function reportBeside({ out, views }: Flags, folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined;
  if (out === undefined) return join(folder, "..", "report.html");
  return views === undefined ? undefined : join(folder, "report.html");
}

/** What an evaluation saves: the frozen model's result and, where there is an adapter, the adapted one's. */
function resultFiles({ adapter }: Flags, folder: string | undefined): string[] {
  if (folder === undefined) return [];
  const names = adapter === undefined ? (["frozen"] as const) : (["frozen", "adapted"] as const);
  return names.map((name) => join(folder, resultFile(name)));
}

/** The verification list of a named protocol, where `--data` is the folder that it lies in. */
async function pairsData(named: NamedProtocol | undefined, flags: Flags, context: CliContext): Promise<FaceData> {
  const { data: spec } = flags;
  const list = join(spec, `${named?.name}.bin`);
  const isThere = named !== undefined && (await stat(list).catch(() => undefined))?.isFile() === true;
  return openFaces(isThere ? list : spec, flags, context);
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const named = findProtocol(flags.protocol);
  const folder = await resultsFolder(flags);
  const report = flags.report ?? reportBeside(flags, folder);
  if (flags.views !== undefined && named?.open !== undefined)
    throw new PetalfaceError(`--views draws people of pairs, and ${named.name} has none`, { exitCode: 2 });
  if (flags.views !== undefined && report === undefined)
    throw new PetalfaceError("--views adds to the report; name it with --report, --out or a run as --adapter", {
      exitCode: 2,
    });
  await using _outputs = await claimOutputs([...resultFiles(flags, folder), report], context, {
    inputs: [flags.data, flags.protocol, flags.lists, flags.model],
  });
  if (named?.open !== undefined) return await evaluateNamed({ open: named.open }, flags, { folder, report }, context);
  const specs = (flags.degrade ?? defaultDegradations).filter((spec) => spec !== "none");
  const degradations = specs.map((spec) => printDegradation(parseDegradation(spec)));
  const opened = await openModel(flags);
  const { backbone, adapter } = opened;
  const data = await pairsData(named, flags, context);
  const protocol = await openProtocol(flags.protocol, flags, data);
  const fusion = flags.flip ?? (named === undefined ? "none" : "units");
  const bootstrap = { resamples: flags.resamples, seed: flags.seed };
  const task: Task = { data, protocol, degradations, bootstrap, engine: engineOf(flags), cache: flags.cache, fusion };

  const { frozen, adapted } = await measureBoth(
    (leave) => measure("frozen", { backbone, model: backbone }, task, context, leave),
    adapter && ((leave) => measure("adapted", opened, task, context, leave)),
    context,
  );
  if (folder !== undefined) {
    await saveEvaluation(join(folder, resultFile("frozen")), frozen);
    if (adapted) await saveEvaluation(join(folder, resultFile("adapted")), adapted);
  }
  if (report !== undefined) {
    const options = {
      model: backbone.spec.name,
      "model sha256": backbone.spec.sha256,
      adapter: flags.adapter ?? "none",
    };
    const models = [
      { name: "frozen", opened: { backbone, model: backbone } },
      ...(adapted ? [{ name: "adapted", opened }] : []),
    ];
    const shown = measuredProtocol(protocol, frozen.leftOut);
    const request = {
      ...{ ...task, protocol: shown, models },
      degradation: degradations[0],
      signal: context.signal,
      noteOnce: context.noteOnce,
    };
    const view = flags.views === undefined ? undefined : await viewPeople({ ...request, people: flags.views });
    await writeEvaluationReport(report, { frozen, adapted, data, protocol: shown, size: backbone.size, options, view });
  }
  const columns = [{ name: "frozen", result: frozen }, ...(adapted ? [{ name: "adapted", result: adapted }] : [])];
  const reference = named && {
    frozen: referenceOf(frozen) ?? null,
    adapted: adapted === undefined ? null : (referenceOf(adapted) ?? null),
  };
  const { people, guessed, images, genuine, impostor, probes } = frozen.protocol;
  const lines = [
    `${protocol.name}: ${genuine + impostor} pairs of ${images} faces of ${people} ${guessed ? "people (guessed)" : "people"}${probes > 0 ? `, ${probes} probes` : ""}; ${printIntervals(frozen.protocol)}`,
    printTable(columns, { kinds: ["accuracy", "tar", "rank1"] }),
    ...(guessed
      ? ["no rank-1: the list does not name people, so a person's other faces would count as other people"]
      : []),
    ...columns.flatMap(({ name, result }) => (named === undefined ? [] : referenceLine(name, result))),
    ...(adapted?.identical?.pairs !== undefined
      ? [
          `sharp faces whose embedding kept every bit: ${percent(adapted.identical.images)} %, pairs: ${percent(adapted.identical.pairs)} %`,
        ]
      : []),
    ...(adapted && folder !== undefined
      ? [`is the difference sure? petalface compare ${flags.out ?? flags.adapter}`]
      : []),
  ];
  const bins = adapted && flags.bins ? qualityBins(frozen, adapted, flags.qualityBins) : undefined;
  if (bins !== undefined) {
    const { title, bins: rows, rejects } = printQualityBins(bins);
    lines.push(
      "",
      title,
      plainTable(rows),
      "",
      "errors against rejects: genuine pairs missed at 1 % false accepts",
      plainTable(rejects),
    );
  }
  const document = {
    bins: bins ?? null,
    saved: folder ?? null,
    report: report ?? null,
    leftOut: leftOutOf(data),
    frozen: withoutDetail(frozen),
    adapted: adapted ? withoutDetail(adapted) : null,
    ...(reference && { reference }),
  };
  context.result(
    document,
    printAs(flags.format, document, lines.join("\n"), (format) => formatMeasures(format, columns)),
    flags.format !== "table",
  );
}

/** What the evaluators of the field print for the sharp pairs. */
function referenceLine(name: string, result: EvaluationResult): string[] {
  const found = referenceOf(result);
  if (found === undefined) return [];
  const { accuracy, accuracyDeviation, tar } = found;
  return [
    `${name} by the reference's rules (thresholds of a grid, deviation over folds): accuracy ${percent(accuracy)} ± ${percent(accuracyDeviation)} %, TAR at FAR 0.1 %: ${percent(tar)} %`,
  ];
}

const examples = [
  "evaluate --model fr_feature --protocol pairs.txt --data lfw --degrade lr:16 --degrade lr:8",
  "evaluate --model fr_feature --protocol tinyface --data TinyFace/Testing_Set",
  "evaluate --model fr_feature --protocol lfw --data faces_emore/lfw.bin",
  "evaluate --model fr_feature --adapter runs/first --protocol drawn:pairs=2000 --data faces --views 12",
];

/** Makes help show only the guide of the protocol that is named with `--help`; without one, all protocols at the end. */
function withGuides(command: Command): void {
  const plain = new Help();
  const named = (): NamedProtocol | undefined => findProtocol(command.opts<Partial<Flags>>().protocol ?? "");
  const list = namedProtocols.map(({ name, title }) => `  ${name.padEnd(16)}${title}`).join("\n");
  const how = "`petalface evaluate --protocol NAME --help` says where its data comes from and how it must lie.";
  const guideOf = ({ name, guide }: NamedProtocol): string => {
    const run = printCommand(`evaluate --model fr_feature --protocol ${name} --data DATA`);
    return fitLines(`${guide}\nRun:\n${run}\nAll options: petalface evaluate --help\n`);
  };
  command
    .configureHelp({
      ...command.configureHelp(),
      formatHelp(cmd, helper) {
        const protocol = named();
        return protocol === undefined ? plain.formatHelp(cmd, helper) : guideOf(protocol);
      },
    })
    .addHelpText("after", () =>
      named() === undefined ? fitLines(`\nProtocols by name:\n${list}\n${how}\n${examplesText(examples)}`) : "",
    );
}

/** `petalface evaluate`: how well does a model verify and identify, sharp and degraded? */
export function evaluateCommand(program: Command, context: CliContext): void {
  const command = withFormatOption(withDataOptions(withCacheOption(withModelOptions(program.command("evaluate")))))
    .description("measure a model, and the effect of its adapter, on pairs of faces: sharp, low-resolution, and mixed")
    .requiredOption(
      "--protocol <name|pairs>",
      "a protocol's name (see below), LFW's pairs list, a CSV (path1,path2,same), or drawn[:pairs=N,folds=K,seed=S]",
    )
    .requiredOption("--data <data>", "the faces of the protocol")
    .option("--lists <path>", "a named protocol's lists (a folder, or a list of pairs), if they are not with the faces")
    .addOption(
      new Option(
        "--flip <how>",
        "add the mirror image's embedding, without or with normalisation; by default as the protocol defines",
      ).choices(["none", "sum", "units"]),
    )
    .option(
      "--degrade <spec>",
      "degradation to measure with, lr:PIXELS or stages (docs/degradation.md); may be repeated; none: sharp faces only",
      collect,
    )
    .option("--folds <list>", "folds of the pairs file to use, such as 1,2,3; by default all", parseFolds)
    .option(
      "--resamples <n>",
      "resamples of the bootstrap over people",
      parseInteger("--resamples", 0, 1_000_000),
      1000,
    )
    .addOption(
      new Option("--bins <by>", "accuracy by quality, and errors after rejecting the lowest quality").choices([
        "quality",
      ]),
    )
    .option("--quality-bins <n>", "ranges of alpha between 0 and 1", parseInteger("--quality-bins", 1, 100), 4)
    .option("--seed <n>", "seed of the bootstrap", parseInteger("--seed", 0, 2 ** 31), 1)
    .option("--out <folder>", "folder for the results; by default that of the run")
    .option("--report <file>", "HTML report; by default report.html of the run")
    .option(
      "--views <people>",
      "add to the report a map of the embeddings of this number of people, and their similarities",
      parseInteger("--views", 2, 32),
    )
    .action((flags: Flags) => run(flags, context));
  withGuides(command);
}
