import { type AdapterConfig, loadAdapter } from "../../adapters/index.ts";
import { type Backbone, type Embedder, openBackbone, openEmbedder } from "../../backbones/index.ts";
import type { FaceData } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type Loader, prefetch } from "../../images/index.ts";
import {
  alphaOf,
  type Calibration,
  isGiven,
  measureName,
  measureOf,
  openMeasure,
  qualityGraph,
} from "../../quality/index.ts";
import type { Engine, ModelFlags } from "../model.ts";
import { plainModel } from "../plain-model.ts";

/** Faces that one call judges: measures are small graphs, and a call has its cost. */
export const judgedAtOnce = 32;

/** What says which measures judge. */
export interface JudgeFlags extends Omit<ModelFlags, "model"> {
  readonly metric?: readonly string[];
  readonly model?: string;
  readonly size: number;
}

/** A measure, loaded. */
export interface Judge {
  readonly name: string;
  readonly calibration: Calibration | undefined;
  /** Absent where scores come with the data. */
  readonly embedder?: Embedder | undefined;
}

/** Opens every measure that the flags name. Throws PetalfaceError. */
export async function openJudges(flags: JudgeFlags, engine: Engine): Promise<{ judges: Judge[]; size: number }> {
  if (flags.adapter !== undefined && flags.model === undefined)
    throw new PetalfaceError("--adapter needs the model that it belongs to: give --model", { exitCode: 2 });
  const backbone =
    flags.model === undefined ? plainModel(flags.size) : await openBackbone(flags.model, flags.normalize);
  const config = flags.adapter === undefined ? undefined : (await loadAdapter(flags.adapter, backbone)).config;
  const specs = flags.metric ?? [config?.calibration.measure ?? "sharpness"];
  const judges: Judge[] = [];
  for (const spec of specs) judges.push(await openJudge(spec, flags, backbone, config, engine));
  return { judges, size: backbone.size };
}

async function openJudge(
  spec: string,
  flags: JudgeFlags,
  backbone: Backbone,
  config: AdapterConfig | undefined,
  engine: Engine,
): Promise<Judge> {
  const name = measureName(spec);
  if (flags.model === undefined && name === "norm")
    throw new PetalfaceError("--metric norm asks the face recogniser: give --model", { exitCode: 2 });
  const calibration = config?.calibration;
  if (calibration !== undefined && calibration.measure !== name)
    throw new PetalfaceError(
      `${flags.adapter} was calibrated on ${calibration.measure}: leave out --metric, or --adapter`,
      { exitCode: 2 },
    );
  if (isGiven(name)) return { name, calibration };
  const measure = config === undefined ? await openMeasure(spec) : measureOf(name, config.weights);
  const { graph, score, alpha } = qualityGraph(backbone, measure, calibration);
  const model = { ...backbone, graph, output: score, width: 1, ...(alpha && { alpha }) };
  return { name, calibration, embedder: await openEmbedder(model, { ...engine, batch: judgedAtOnce }) };
}

/** Scores of a whole set, one list a judge; alphas where a judge is calibrated. */
export interface Judged {
  readonly scores: readonly Float32Array[];
  readonly alphas: readonly (Float32Array | undefined)[];
}

/** Judges every face of a set; all judges see the same decoded pixels. */
export async function judgeData(
  data: FaceData,
  judges: readonly Judge[],
  loader: Pick<Loader, "load">,
  { signal, onDone }: { signal: AbortSignal; onDone(done: number): void },
): Promise<Judged> {
  const scores = judges.map(() => new Float32Array(data.length).fill(Number.NaN));
  const alphas = judges.map(({ calibration }) =>
    calibration ? new Float32Array(data.length).fill(Number.NaN) : undefined,
  );
  const seeing = judges.some(({ embedder }) => embedder !== undefined);
  function* batches() {
    for (let start = 0; start < data.length; start += judgedAtOnce) {
      const samples = Array.from({ length: Math.min(judgedAtOnce, data.length - start) }, (_, i) => data.at(start + i));
      const planes = seeing
        ? loader.load(samples.map(({ source }) => ({ source, flip: false })))
        : Promise.resolve(undefined);
      yield planes.then((pixels) => ({ start, samples, pixels }));
    }
  }
  for await (const { start, samples, pixels } of prefetch(batches(), 3)) {
    signal.throwIfAborted();
    for (const [place, { embedder, calibration }] of judges.entries()) {
      const own = scores[place] as Float32Array;
      if (embedder === undefined)
        samples.forEach(({ quality = Number.NaN }, i) => {
          own[start + i] = quality;
          if (calibration !== undefined) (alphas[place] as Float32Array)[start + i] = alphaOf(calibration, quality);
        });
      else if (pixels !== undefined) {
        const judged = await embedder.embed(pixels, samples.length);
        own.set(judged.data, start);
        if (judged.alpha) alphas[place]?.set(judged.alpha, start);
      }
    }
    onDone(start + samples.length);
  }
  return { scores, alphas };
}
