import { type Command, Option } from "commander";
import { loadAdapter } from "../../adapters/index.ts";
import { openBackbone, openEmbedder } from "../../backbones/index.ts";
import { openData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { openLoader } from "../../images/index.ts";
import { type Calibration, measureNames, qualityGraph, quantile } from "../../quality/index.ts";
import type { CliContext } from "../context.ts";
import { embedData } from "../embed.ts";
import { withExamples } from "../examples.ts";
import { engineOf, type ModelFlags, withEngineOptions } from "../model.ts";
import { parseInteger } from "../options.ts";
import { plainModel } from "../plain-model.ts";

interface Flags extends Omit<ModelFlags, "model"> {
  readonly metric?: string;
  readonly model?: string;
  readonly size: number;
}

interface Judged {
  readonly id: string;
  readonly score: number;
  readonly alpha: number | null;
}

/** Measures that look at the pixels alone. */
const needNoModel: ReadonlySet<string> = new Set(["sharpness"]);

async function openJudge(flags: Flags) {
  if (flags.adapter !== undefined && flags.model === undefined)
    throw new PetalfaceError("--adapter needs the model that it belongs to: give --model", { exitCode: 2 });
  const backbone =
    flags.model === undefined ? plainModel(flags.size) : await openBackbone(flags.model, flags.normalize);
  const calibration: Calibration | undefined =
    flags.adapter === undefined ? undefined : (await loadAdapter(flags.adapter, backbone)).config.calibration;
  const metric = flags.metric ?? calibration?.measure ?? "sharpness";
  if (flags.model === undefined && !needNoModel.has(metric))
    throw new PetalfaceError(`--metric ${metric} asks the face recogniser: give --model`, { exitCode: 2 });
  if (calibration !== undefined && calibration.measure !== metric)
    throw new PetalfaceError(
      `${flags.adapter} was calibrated on ${calibration.measure}: leave out --metric, or --adapter`,
      { exitCode: 2 },
    );
  const { graph, score, alpha } = qualityGraph(backbone, metric, calibration);
  const { spec, input, size } = backbone;
  return { metric, calibration, model: { graph, spec, input, output: score, size, width: 1, ...(alpha && { alpha }) } };
}

function summarise(values: readonly number[]): Record<string, number> {
  const at = (share: number): number => quantile(values, share);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return { mean, min: at(0), p05: at(0.05), median: at(0.5), p95: at(0.95), max: at(1) };
}

async function run(spec: string, flags: Flags, context: CliContext): Promise<void> {
  const engine = engineOf(flags);
  const { metric, calibration, model } = await openJudge(flags);
  const data = await openData(spec);
  const embedder = await openEmbedder(model, engine);
  const loader = openLoader({ size: model.size, threads: engine.threads });
  const progress = context.progress("judging", data.length, "faces");
  const images: Judged[] = [];
  try {
    for await (const { samples, data: scores, alpha, start } of embedData(data, embedder, loader, context.signal)) {
      samples.forEach(({ id }, i) => {
        images.push({ id, score: scores[i] as number, alpha: alpha ? (alpha[i] as number) : null });
      });
      progress.update(start + samples.length);
    }
  } finally {
    progress.close();
    await Promise.all([loader.close(), embedder.close()]);
  }
  const scores = summarise(images.map(({ score }) => score));
  const alphas = images.flatMap(({ alpha }) => alpha ?? []);
  const alpha = alphas.length > 0 ? summarise(alphas) : null;
  const digits = (value: number): string => value.toFixed(4).padStart(9);
  const line = (image: Judged): string =>
    `${digits(image.score)}${image.alpha === null ? "" : digits(image.alpha)}  ${image.id}`;
  const poorestFirst = [...images].sort((a, b) => a.score - b.score);
  const text = [
    `${metric.padStart(9)}${alpha ? "alpha".padStart(9) : ""}  face, lowest score first`,
    ...poorestFirst.map(line),
    `${images.length} faces: ${Object.entries(scores)
      .map(([name, value]) => `${name} ${value.toFixed(4)}`)
      .join(", ")}`,
  ].join("\n");
  context.result(
    { metric, data: data.spec, calibration: calibration ?? null, summary: { score: scores, alpha }, images },
    text,
  );
}

/** `petalface quality`: how good is each face, and what does an adapter make of that? */
export function qualityCommand(program: Command, context: CliContext): void {
  const command = program
    .command("quality")
    .description("print the quality score of each face and, with an adapter's calibration, its alpha")
    .argument("<data>", "folder, manifest, .rec, .bin, or synthetic[:people=N,images=M,seed=S]")
    .addOption(new Option("--metric <name>", "quality measure; the adapter's, else sharpness").choices(measureNames))
    .option("--model <file|name>", "the face recogniser, for measures that ask it")
    .option("--normalize <mean,scale>", "how pixels become its input, if the file does not say")
    .option("--adapter <run>", "a run or adapter folder, whose calibration gives alpha")
    .option("--size <pixels>", "side at which faces are judged without --model", parseInteger("--size", 8, 4096), 112)
    .action((spec: string, flags: Flags) => run(spec, flags, context));
  withEngineOptions(command);
  withExamples(
    command,
    "quality faces",
    "quality faces --metric norm --model fr_feature",
    "quality faces --model fr_feature --adapter runs/first",
  );
}
