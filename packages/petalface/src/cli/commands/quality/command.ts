import type { Command } from "commander";
import { itemAt } from "onnx-grad";
import { leftOutOf, noteMoreLeftOut } from "../../../api/data.ts";
import { engineOf } from "../../../api/model.ts";
import { claimOutputs } from "../../../api/outputs.ts";
import { subset, tallyOf } from "../../../data/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { writeFileSafely } from "../../../files.ts";
import { openLoader } from "../../../images/index.ts";
import { histogramOf, measureNames, printCalibration, printSet, quantile, spearman } from "../../../quality/index.ts";
import { openResources } from "../../../resources.ts";
import type { CliContext } from "../../context.ts";
import { type DataFlags, openFaces, withDataOptions } from "../../data.ts";
import { withExamples } from "../../examples.ts";
import { withFlags } from "../../flags.ts";
import { withEngineOptions, withModelChoices } from "../../model.ts";
import { collect, parseInteger } from "../../options.ts";
import { plainTable } from "../../table.ts";
import { drawExamples } from "./examples.ts";
import { type JudgeFlags, judgeData, openJudges } from "./judges.ts";
import { type Ladder, tryLadders } from "./monotone.ts";
import { renderQualityPage } from "./page.ts";
import { type LookedAt, lookAtFaces } from "./set.ts";

interface Flags extends JudgeFlags, DataFlags {
  readonly degraded?: boolean;
  readonly report?: string;
  readonly show: number;
}

const bins = 24;
const blocks = " ▁▂▃▄▅▆▇█";

function summarise(values: Float32Array): Record<string, number> {
  const at = (share: number): number => quantile(values, share);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, min: at(0), p05: at(0.05), median: at(0.5), p95: at(0.95), max: at(1) };
}

/** A histogram on one line. */
function sparkline(values: Float32Array): string {
  const { low, high, counts } = histogramOf(values, bins);
  const most = Math.max(1, ...counts);
  const bar = counts.map((count) => blocks[count === 0 ? 0 : 1 + Math.floor((7 * count) / most)]).join("");
  return `${low.toFixed(2)} |${bar}| ${high.toFixed(2)}`;
}

/** Rows of a table: every pair of measures, heading first. */
function agreementRows(names: readonly string[], values: readonly (readonly number[])[]): string[][] {
  return [
    ["measure", ...names],
    ...names.map((name, i) => [name, ...(values[i] ?? []).map((value) => value.toFixed(3))]),
  ];
}

const ladderRows = (ladders: readonly Ladder[]): string[][] => [
  ["measure", "degradation", "median score at each step", "towards lower quality"],
  ...ladders.map(({ measure, degradation, steps, towardsPoorer }) => [
    measure,
    degradation,
    steps.map(({ spec, median }) => `${median.toFixed(2)} (${spec})`).join("  "),
    `${(100 * towardsPoorer).toFixed(0)} %`,
  ]),
];

/** What a page calls a set. */
const kinds: Readonly<Record<LookedAt["set"]["kind"], string>> = {
  sharp: "sharp faces",
  mixed: "sharp and blurred faces together",
  blurred: "blurred faces",
  unknown: "it is not clear whether they are sharp",
};

/** What `petalface adapt` would make of a measure on this set. */
const printFit = (fit: LookedAt["fits"][number]): string | undefined =>
  fit &&
  ("fitted" in fit ? `adapt would fit: ${printCalibration(fit.fitted)}` : `adapt would fit no range: ${fit.reason}`);

async function run(spec: string, flags: Flags, context: CliContext): Promise<void> {
  await using _outputs = await claimOutputs([flags.report], context, { inputs: [spec, flags.model] });
  const engine = engineOf(flags);
  const data = await openFaces(spec, flags, context);
  if (data.length === 0) throw new PetalfaceError("PETAL_DATA_MISSING", `${spec} holds no faces`);
  await using open = openResources();
  const { judges, size } = await openJudges(flags, engine);
  for (const { embedder } of judges) open.keep(embedder);
  const names = judges.map(({ name }) => name);
  const loader = open.keep(openLoader({ size, threads: engine.threads }));
  const progress = context.progress("judging", data.length, "faces");
  const started = performance.now();
  try {
    const { signal } = context;
    const tally = tallyOf(data);
    const watch = { tally, signal, onDone: (done: number) => progress.update(done) };
    const { scores, alphas, usable } = await judgeData(data, judges, loader, watch);
    const seconds = (performance.now() - started) / 1000;
    const judged = usable.length === data.length ? data : subset(data, usable);
    const ladders =
      flags.degraded && judged.length > 0 ? await tryLadders(judged, judges, loader, { tally, signal }) : [];
    // Scores that came with the data need no pixels.
    const seeing = judges.some(({ embedder }) => embedder !== undefined);
    const looked = seeing && judged.length > 0 ? await lookAtFaces(judged, judges, loader, engine, signal) : undefined;
    progress.close();
    const summaries = judges.map((judge, i) => {
      const own = itemAt(scores, i);
      const finite = own.filter(Number.isFinite);
      if (finite.length === 0)
        throw new PetalfaceError(
          "PETAL_QUALITY_UNFIT",
          `${judge.name} gave no face a score; ${tally.report().first[0] ?? "is there a column quality?"}`,
        );
      const alpha = alphas[i]?.filter(Number.isFinite);
      return { judge, scores: finite, unscored: own.length - finite.length, alpha, fit: looked?.fits[i] };
    });
    const scored = Int32Array.from(data.length === 0 ? [] : (scores[0]?.keys() ?? [])).filter((face) =>
      scores.every((values) => Number.isFinite(values[face])),
    );
    const scoredOnly = (values: Float32Array): Float32Array =>
      Float32Array.from(scored, (face) => itemAt(values, face));
    const agreement = names.map((_, i) =>
      names.map((_, j) => spearman(scoredOnly(itemAt(scores, i)), scoredOnly(itemAt(scores, j)))),
    );
    const [first] = summaries;
    if (first === undefined) throw new PetalfaceError("PETAL_OPTION_INVALID", "no measure was named");
    const head = { metric: first.judge.name, calibration: first.judge.calibration ?? null };
    const tables = [
      ...(names.length > 1
        ? [
            {
              title: "Agreement",
              note: "Spearman's rank correlation of the scores",
              rows: agreementRows(names, agreement),
            },
          ]
        : []),
      ...(ladders.length > 0
        ? [
            {
              title: "Known degradations",
              note: "median score of the same faces, degraded step by step; how often a step moved a face's score towards lower quality (chance: 50 %)",
              rows: ladderRows(ladders),
            },
          ]
        : []),
    ];
    const found = looked && printSet(looked.set);
    if (flags.report !== undefined) {
      const examples = await drawExamples({ data, loader, scores, alphas });
      await writeFileSafely(
        flags.report,
        renderQualityPage({
          data: data.spec,
          faces: data.length,
          set: looked && { kind: kinds[looked.set.kind], text: found && withFlags(found) },
          measures: summaries.map(({ judge, scores: own, alpha, fit }, i) => ({
            name: judge.name,
            note: judge.calibration ? printCalibration(judge.calibration) : (printFit(fit) ?? ""),
            scores: histogramOf(own, 48),
            alpha: alpha && histogramOf(alpha, 48),
            below: alpha?.reduce((sum, value) => sum + Number(value < 1), 0),
            examples: itemAt(examples, i),
          })),
          tables,
        }),
      );
    }
    const own = itemAt(scores, 0);
    const order = Int32Array.from(own.keys())
      .filter((face) => Number.isFinite(own[face]))
      .sort((a, b) => itemAt(own, a) - itemAt(own, b));
    const digits = (value: number): string => value.toFixed(4).padStart(12);
    const lines = Array.from(order.subarray(0, flags.show), (face) =>
      [...scores, ...alphas]
        .flatMap((values) => (values === undefined ? [] : digits(itemAt(values, face))))
        .concat(`  ${data.at(face).id}`)
        .join(""),
    );
    const alphaNames = alphas.flatMap((values) => (values === undefined ? [] : "alpha"));
    const text = [
      `${[...names, ...alphaNames].map((name) => name.padStart(12)).join("")}  face, lowest score first`,
      ...lines,
      ...(order.length > lines.length
        ? [`... and ${order.length - lines.length} more; --show N for more, --json for all`]
        : []),
      ...(found === undefined ? [] : [`the set: ${found}`]),
      ...summaries.flatMap(({ judge, scores: values, unscored, alpha, fit }) => [
        `${values.length} faces, ${judge.name}: ${Object.entries(summarise(values))
          .map(([name, value]) => `${name} ${value.toFixed(4)}`)
          .join(", ")}${unscored > 0 ? `; ${unscored} without a score` : ""}`,
        `  ${sparkline(values)}`,
        ...(judge.calibration && alpha
          ? [`  ${printCalibration(judge.calibration)}`, `  alpha ${sparkline(alpha)}`]
          : fit
            ? [`  ${printFit(fit)}`]
            : []),
      ]),
      ...tables.flatMap(({ title, note, rows }) => ["", `${title}: ${note}`, plainTable(rows)]),
      `${(data.length / seconds).toFixed(0)} faces a second, decoding included`,
      ...(flags.report === undefined ? [] : [`report: ${flags.report}`]),
    ];
    const left = tally.report();
    noteMoreLeftOut(data, left, context);
    context.result(
      {
        ...head,
        data: data.spec,
        leftOut: leftOutOf(data, left),
        set: looked?.set ?? null,
        summary: { score: summarise(first.scores), alpha: first.alpha ? summarise(first.alpha) : null },
        measures: summaries.map(({ judge, scores: values, unscored, alpha, fit }) => ({
          metric: judge.name,
          calibration: judge.calibration ?? null,
          ...fit,
          unscored,
          score: { ...summarise(values), histogram: histogramOf(values, 48) },
          alpha: alpha ? { ...summarise(alpha), histogram: histogramOf(alpha, 48) } : null,
        })),
        agreement,
        degraded: ladders,
        facesPerSecond: data.length / seconds,
        images: Array.from({ length: context.json ? data.length : 0 }, (_, face) => ({
          id: data.at(face).id,
          score: own[face],
          alpha: alphas[0]?.[face] ?? null,
          ...(names.length > 1 && { scores: scores.map((values) => values[face]) }),
        })),
      },
      text.join("\n"),
    );
  } finally {
    progress.close();
  }
}

/** `petalface quality`: how good is each face, and what does an adapter make of that? */
export function qualityCommand(program: Command, context: CliContext): void {
  const command = withModelChoices(program.command("quality"))
    .description(
      "measure the quality of faces: scores, histogram, alpha with an adapter; compare measures, also on known degradations",
    )
    .argument("<data>", "folder, manifest, .rec, .bin, or synthetic[:people=N,images=M,seed=S]")
    .option(
      "--metric <name>",
      `quality measure, may be repeated: ${measureNames.join(", ")}, weights as in brisque:model=FILE,range=FILE; the adapter's, else sharpness`,
      collect,
    )
    .option("--model <file|name>", "the face recogniser, for measures that use it")
    .option("--adapter <run>", "a run or adapter folder, whose calibration gives alpha")
    .option("--degraded", "also try the measures on degraded faces: low resolution, blur, noise, JPEG")
    .option("--report <file>", "write histograms and tables as one HTML page")
    .option("--show <n>", "faces to list, lowest score first", parseInteger("--show", 0, 100_000_000), 20)
    .action((spec: string, flags: Flags) => run(spec, flags, context));
  withDataOptions(withEngineOptions(command));
  withExamples(
    command,
    "quality faces",
    "quality faces --metric resolution --metric sharpness --degraded --report quality.html",
    "quality faces --metric norm --model fr_feature",
    "quality faces --model fr_feature --adapter runs/first",
  );
}
