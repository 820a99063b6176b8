import { join } from "node:path";
import { openEmbedder } from "../../../backbones/index.ts";
import {
  compareResults,
  type EvaluationResult,
  evaluateMatch,
  type Fusion,
  type LeftOut,
  type MatchProtocol,
  type NamedProtocol,
  percent,
  printIntervals,
  printTable,
  saveEvaluation,
  withoutDetail,
  writeReport,
} from "../../../evaluation/index.ts";
import { openLoader } from "../../../images/index.ts";
import { openResources } from "../../../resources.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, leftOutOf, noteLeftOut } from "../../data.ts";
import { type CacheFlags, openCache } from "../../embed.ts";
import { type Format, formatMeasures, printAs } from "../../formats.ts";
import { measureBoth } from "../../measured.ts";
import { type Engine, engineOf, type ModelFlags, type OpenedModel, openModel } from "../../model.ts";
import { resultFile } from "../../results.ts";

/** Options of `petalface evaluate` that a protocol of a data set takes. */
export interface MatchFlags extends ModelFlags, CacheFlags, DataFlags {
  readonly data: string;
  readonly lists?: string;
  readonly flip?: Fusion;
  readonly degrade?: readonly string[];
  readonly resamples: number;
  readonly seed: number;
  readonly format: Format;
}

/** Where results and a report go, if anywhere. */
export interface ResultPlaces {
  readonly folder: string | undefined;
  readonly report: string | undefined;
}

/** Measures a protocol that a data set comes with, frozen and, where there is one, adapted. */
export async function evaluateNamed(
  { open }: Required<Pick<NamedProtocol, "open">>,
  flags: MatchFlags,
  places: ResultPlaces,
  context: CliContext,
): Promise<void> {
  const engine = engineOf(flags);
  const opened = await openModel(flags);
  const { backbone, adapter } = opened;
  const { signal } = context;
  const protocol = await open({ data: flags.data, lists: flags.lists, mostLeftOut: flags.maxLeftOut, signal });
  noteLeftOut(protocol.data.unreadable, context);
  const { frozen, adapted } = await measureBoth(
    (leave) => measure("frozen", { backbone, model: backbone }, protocol, flags, engine, context, leave),
    adapter && ((leave) => measure("adapted", opened, protocol, flags, engine, context, leave)),
    context,
  );
  const { folder, report } = places;
  if (folder !== undefined) {
    await saveEvaluation(join(folder, resultFile("frozen")), frozen);
    if (adapted) await saveEvaluation(join(folder, resultFile("adapted")), adapted);
  }
  const columns = [{ name: "frozen", result: frozen }, ...(adapted ? [{ name: "adapted", result: adapted }] : [])];
  if (report !== undefined) {
    await writeReport(report, {
      title: `petalface evaluation: ${protocol.name}`,
      results: columns,
      comparisons: adapted && [{ name: "adapted", against: "frozen", comparison: compareResults(frozen, adapted) }],
      run: {
        model: backbone.spec.name,
        "model sha256": backbone.spec.sha256,
        adapter: flags.adapter ?? "none",
        "mirror image": flags.flip ?? protocol.fusion,
      },
    });
  }
  const { people, images, genuine, impostor, gallery, probes } = frozen.protocol;
  const lines = [
    `${protocol.name}: ${images} faces of ${people} people${genuine + impostor > 0 ? `, ${genuine + impostor} comparisons` : ""}${probes > 0 ? `, ${probes} probes, a gallery of ${gallery}` : ""}; ${printIntervals(frozen.protocol)}`,
    printTable(columns, { kinds: ["tar", "auc", "rank1", "rank", "tpir"] }),
    ...frozen.unresolved.map(({ far, impostors }) => `a rate of ${far} cannot be measured with ${impostors} impostors`),
    ...(adapted?.identical ? [`items whose embedding kept every bit: ${percent(adapted.identical.images)} %`] : []),
  ];
  const document = {
    saved: folder ?? null,
    report: report ?? null,
    leftOut: leftOutOf(protocol.data),
    frozen: withoutDetail(frozen),
    adapted: adapted ? withoutDetail(adapted) : null,
  };
  context.result(
    document,
    printAs(flags.format, document, lines.join("\n"), (format) => formatMeasures(format, columns)),
    flags.format !== "table",
  );
}

async function measure(
  name: string,
  opened: OpenedModel,
  protocol: MatchProtocol,
  flags: MatchFlags,
  engine: Engine,
  context: CliContext,
  leave: LeftOut | undefined,
): Promise<EvaluationResult> {
  const [degradation] = (flags.degrade ?? []).filter((spec) => spec !== "none");
  await using open = openResources();
  const store = open.keep(await openCache(flags, opened, engine, context));
  const embedder = open.keep(await openEmbedder(opened.model, engine));
  const loader = open.keep(openLoader({ size: opened.model.size, threads: engine.threads }));
  const total = protocol.faces.length * (degradation === undefined ? 1 : 2);
  const progress = context.progress(`measuring the ${name} model`, total, "faces");
  try {
    return await evaluateMatch({
      ...{ protocol, embedder, loader, store, degradation, leave },
      fusion: flags.flip,
      threads: engine.threads,
      signal: context.signal,
      bootstrap: { resamples: flags.resamples, seed: flags.seed },
      onProgress: (done) => progress.update(done),
    });
  } finally {
    progress.close();
  }
}
