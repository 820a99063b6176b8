import { type Command, Help, Option } from "commander";
import { leftOutOf } from "../../../api/data.ts";
import { runEvaluation } from "../../../api/evaluate/evaluate.ts";
import { evaluationPlaces } from "../../../api/evaluate/results.ts";
import {
  type Fusion,
  findProtocol,
  type NamedProtocol,
  namedProtocols,
  qualityBins,
  referenceOf,
  withoutDetail,
} from "../../../evaluation/index.ts";
import { type CacheFlags, withCacheOption } from "../../cache-option.ts";
import type { CliContext } from "../../context.ts";
import { type CopyFlags, galleryCopies, withCopyOptions } from "../../copies.ts";
import { type DataFlags, leftOutOptions, withDataOptions } from "../../data.ts";
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
  readonly galleryKept?: boolean;
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

async function run(flags: Flags, context: CliContext): Promise<void> {
  const places = await evaluationPlaces(flags);
  const { degrade: degradations, galleryCopies: sizes, copyWeight: _, ...options } = flags;
  const request = {
    ...options,
    ...places,
    ...leftOutOptions(flags),
    degradations,
    galleryCopies: galleryCopies(sizes, flags, flags.adapter !== undefined),
  };
  const both = await runEvaluation(request, context);
  const { frozen, adapted } = both;
  const bins = adapted && flags.bins ? qualityBins(frozen, adapted, flags.qualityBins) : undefined;
  const named = findProtocol(flags.protocol);
  const document = {
    bins: bins ?? null,
    saved: places.out ?? null,
    report: places.report ?? null,
    leftOut: leftOutOf(both.protocol.data),
    frozen: withoutDetail(frozen),
    adapted: adapted ? withoutDetail(adapted) : null,
    ...(named && {
      reference: { frozen: referenceOf(frozen) ?? null, adapted: (adapted && referenceOf(adapted)) ?? null },
    }),
  };
  const saved = places.out === undefined ? undefined : (flags.out ?? flags.adapter);
  const text = evaluationSummary(both, named, bins, saved);
  context.result(
    document,
    printAs(flags.format, document, text, (format) => formatMeasures(format, columnsOf(both))),
    flags.format !== "table",
  );
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
    .option(
      "--gallery-kept",
      "measure the adapter also with the gallery that the frozen model enrolled, as where no person is enrolled again",
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
