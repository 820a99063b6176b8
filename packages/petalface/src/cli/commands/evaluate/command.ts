import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Help, Option } from "commander";
import { leftOutOf, noteLeftOut } from "../../../api/data.ts";
import { type BothResults, type MeasureTask, measureModels } from "../../../api/measure-models.ts";
import { engineOf, type OpenedModel, openModel } from "../../../api/model.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { openPairs } from "../../../api/protocol.ts";
import { writeEvaluationReport } from "../../../api/report.ts";
import { evaluationFolder, resultFile, saveResults } from "../../../api/results.ts";
import { viewPeople } from "../../../api/views.ts";
import type { FaceData } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import {
  type Fusion,
  findProtocol,
  type NamedProtocol,
  namedProtocols,
  type Protocol,
  protocolOfPairs,
  qualityBins,
  referenceOf,
  withoutDetail,
} from "../../../evaluation/index.ts";
import { parseDegradation, printDegradation } from "../../../images/index.ts";
import { type CacheFlags, withCacheOption } from "../../cache-option.ts";
import type { CliContext } from "../../context.ts";
import { type CopyFlags, galleryCopies, printCopies, withCopyOptions } from "../../copies.ts";
import { type DataFlags, openFaces, withDataOptions } from "../../data.ts";
import { examplesText, printCommand } from "../../examples.ts";
import { withFlags } from "../../flags.ts";
import { parseFolds } from "../../folds.ts";
import { type Format, formatMeasures, printAs, withFormatOption } from "../../formats.ts";
import { fitLines } from "../../lines.ts";
import { type ModelFlags, withModelOptions } from "../../model.ts";
import { collect, parseInteger } from "../../options.ts";
import { columnsOf, evaluationSummary } from "./summary.ts";

interface Flags extends ModelFlags, CacheFlags, DataFlags, CopyFlags {
  readonly protocol: string;
  readonly data: string;
  readonly lists?: string;
  readonly flip?: Fusion;
  readonly degrade?: readonly string[];
  readonly galleryCopies?: readonly number[];
  readonly resamples: number;
  readonly seed: number;
  readonly format: Format;
  readonly folds?: number[];
  readonly bins?: "quality";
  readonly qualityBins: number;
  readonly out?: string;
  readonly report?: string;
  readonly views?: number;
}

/**
 * What pairs are measured at unless `--degrade` says otherwise: the resolution that the method's
 * tables begin with.
 */
const defaultDegradations = ["lr:16"];

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

/**
 * The report of the run that the results belong to; with `--out` there is one where a part of it
 * was asked for.
 */
function reportBeside({ out, views }: Flags, folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined;
  if (out === undefined) return join(folder, "..", "report.html");
  return views === undefined ? undefined : join(folder, "report.html");
}

/**
 * What an evaluation saves: the frozen model's result and, where there is an adapter, the adapted
 * one's.
 */
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

/** The protocol that `--protocol` names: one that a data set comes with, or a list of pairs. */
async function openProtocol(flags: Flags, context: CliContext): Promise<Protocol> {
  const named = findProtocol(flags.protocol);
  if (named?.open !== undefined) {
    const { data, lists, maxLeftOut } = flags;
    const protocol = await named.open({ data, lists, mostLeftOut: maxLeftOut, signal: context.signal });
    noteLeftOut(protocol.data.unreadable, context);
    return protocol;
  }
  const data = await pairsData(named, flags, context);
  return protocolOfPairs(await openPairs(flags.protocol, flags, data), data, named === undefined ? "none" : "units");
}

async function run(flags: Flags, context: CliContext): Promise<void> {
  const folder = await resultsFolder(flags);
  const report = flags.report ?? reportBeside(flags, folder);
  if (flags.views !== undefined && report === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "--views adds to the report; name it with --report, --out or a run as --adapter",
    );
  await using _outputs = await claimOutputs([...resultFiles(flags, folder), report], context, {
    inputs: [flags.data, flags.protocol, flags.lists, flags.model],
  });
  const specs = flags.degrade?.filter((spec) => spec !== "none").map(parseDegradation);
  const opened = await openModel(flags);
  const copies = galleryCopies(flags.galleryCopies, flags, opened);
  const protocol = await openProtocol(flags, context);
  const usual = protocol.degradable === "all" ? defaultDegradations : [];
  const task: MeasureTask = {
    protocol,
    degradations: specs?.map(printDegradation) ?? usual,
    fusion: flags.flip ?? protocol.fusion,
    copies,
    bootstrap: { resamples: flags.resamples, seed: flags.seed },
    engine: engineOf(flags),
    cache: flags.cache,
  };
  const both = await measureModels(opened, task, context);
  const { frozen, adapted } = both;
  if (folder !== undefined) await saveResults(folder, both, flags.protocol);
  if (report !== undefined) await writeReport(report, both, opened, task, flags, context);
  const bins = adapted && flags.bins ? qualityBins(frozen, adapted, flags.qualityBins) : undefined;
  const named = findProtocol(flags.protocol);
  const document = {
    bins: bins ?? null,
    saved: folder ?? null,
    report: report ?? null,
    leftOut: leftOutOf(protocol.data),
    frozen: withoutDetail(frozen),
    adapted: adapted ? withoutDetail(adapted) : null,
    ...(named && {
      reference: { frozen: referenceOf(frozen) ?? null, adapted: (adapted && referenceOf(adapted)) ?? null },
    }),
  };
  const saved = folder === undefined ? undefined : (flags.out ?? flags.adapter);
  const text = evaluationSummary(both, named, bins, saved);
  context.result(
    document,
    printAs(flags.format, document, text, (format) => formatMeasures(format, columnsOf(both))),
    flags.format !== "table",
  );
}

async function writeReport(
  path: string,
  { frozen, adapted }: BothResults,
  opened: OpenedModel,
  task: MeasureTask,
  flags: Flags,
  { signal, noteOnce }: CliContext,
): Promise<void> {
  const { backbone } = opened;
  const { protocol, engine, cache, degradations, fusion, copies } = task;
  const models = [
    { name: "frozen", opened: { backbone, model: backbone } },
    ...(adapted ? [{ name: "adapted", opened }] : []),
  ];
  const request = { protocol, engine, cache, models, degradation: degradations[0], signal, noteOnce };
  const view =
    flags.views === undefined
      ? undefined
      : await viewPeople({ ...request, people: flags.views, left: frozen.leftOut?.faces });
  const options = {
    model: backbone.spec.name,
    "model sha256": backbone.spec.sha256,
    adapter: flags.adapter ?? "none",
    "mirror image": fusion,
    ...(copies && { "enrolled copies": printCopies(copies) }),
  };
  await writeEvaluationReport(path, { frozen, adapted, protocol, size: backbone.size, options, view });
}

const examples = [
  "evaluate --model fr_feature --protocol pairs.txt --data lfw --degrade lr:16 --degrade lr:8",
  "evaluate --model fr_feature --protocol tinyface --data TinyFace/Testing_Set",
  "evaluate --model fr_feature --protocol lfw --data faces_emore/lfw.bin",
  "evaluate --model fr_feature --adapter runs/first --protocol drawn:pairs=2000 --data faces --views 12",
  "evaluate --model fr_feature --protocol pairs.txt --data lfw --gallery-copies 16,12",
];

/**
 * Makes help show only the guide of the protocol that is named with `--help`; without one, all
 * protocols at the end.
 */
function withGuides(command: Command): void {
  const plain = new Help();
  const named = (): NamedProtocol | undefined => findProtocol(command.opts<Partial<Flags>>().protocol ?? "");
  const list = namedProtocols.map(({ name, title }) => `  ${name.padEnd(16)}${title}`).join("\n");
  const how = "`petalface evaluate --protocol NAME --help` says where its data comes from and how it must lie.";
  const guideOf = ({ name, guide }: NamedProtocol): string => {
    const run = printCommand(`evaluate --model fr_feature --protocol ${name} --data DATA`);
    return fitLines(`${withFlags(guide)}\nRun:\n${run}\nAll options: petalface evaluate --help\n`);
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

/** `petalface evaluate`: how well does a model verify and identify, as given and degraded? */
export function evaluateCommand(program: Command, context: CliContext): void {
  const plain = withFormatOption(withDataOptions(withCacheOption(withModelOptions(program.command("evaluate")))))
    .description("measure a model, and the effect of its adapter, on faces as given, low-resolution and mixed")
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
      "degradation to measure under, lr:PIXELS or stages (docs/degradation.md); may be repeated; none for faces as given only",
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
    );
  const command = withCopyOptions(plain, "--gallery-copies", {
    sizes:
      "measure also with each enrolled face together with copies of it, shrunk to these sizes in pixels, such as 16,12 (docs/copies.md)",
    weight:
      "weight of the copies, or alpha: 1 - alpha of the probe. Unless given, alpha with an adapter and 0.25 without",
  }).action((flags: Flags) => run(flags, context));
  withGuides(command);
}
