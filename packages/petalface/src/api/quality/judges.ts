import { itemAt } from "onnx-grad";
import { type AdapterConfig, loadAdapter } from "../../adapters/index.ts";
import { type Backbone, type Embedder, openEmbedder, rowsNotFinite } from "../../backbones/index.ts";
import type { FaceData, Tally } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { type Loader, nameOfFace, prefetch } from "../../images/index.ts";
import {
  alphaOf,
  type Calibration,
  isGiven,
  measureName,
  measureOf,
  openMeasure,
  plainModel,
  qualityGraph,
} from "../../quality/index.ts";
import { type Engine, type ModelOptions, openFrozen } from "../model.ts";

/** Faces that one call judges: measures are small graphs, and a call has its cost. */
export const judgedAtOnce = 32;

/** What says which measures judge. */
export interface JudgeOptions extends Omit<ModelOptions, "model"> {
  /** Names of measures, or specs with their weights; the adapter's unless given, else sharpness. */
  readonly metric?: readonly string[] | undefined;
  /** The face recogniser, for measures that use it. */
  readonly model?: string | undefined;
}

/** A measure, loaded. */
export interface Judge {
  readonly name: string;
  readonly calibration: Calibration | undefined;
  /** Absent where scores come with the data. */
  readonly embedder?: Embedder | undefined;
}

/** Opens every measure that the options name. Throws PetalfaceError. */
export async function openJudges(flags: JudgeOptions, engine: Engine): Promise<{ judges: Judge[]; size: number }> {
  if (flags.adapter !== undefined && flags.model === undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "'adapter' needs the model that it belongs to: give 'model'");
  const backbone =
    flags.model === undefined ? plainModel(flags.size ?? 112) : await openFrozen({ ...flags, model: flags.model });
  const config = flags.adapter === undefined ? undefined : (await loadAdapter(flags.adapter, backbone)).config;
  const specs = flags.metric ?? [config?.calibration.measure ?? "sharpness"];
  const judges: Judge[] = [];
  for (const spec of specs) judges.push(await openJudge(spec, flags, backbone, config, engine));
  return { judges, size: backbone.size };
}

async function openJudge(
  spec: string,
  flags: JudgeOptions,
  backbone: Backbone,
  config: AdapterConfig | undefined,
  engine: Engine,
): Promise<Judge> {
  const name = measureName(spec);
  if (flags.model === undefined && name === "norm")
    throw new PetalfaceError("PETAL_OPTION_INVALID", "'metric=norm' uses the face recogniser: give 'model'");
  const calibration = config?.calibration;
  if (calibration !== undefined && calibration.measure !== name)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `${flags.adapter} was calibrated on ${calibration.measure}: leave out 'metric', or 'adapter'`,
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
  /**
   * Faces that can be read and have a finite score by everyone who sees; of the others such scores
   * are NaN.
   */
  readonly usable: Int32Array;
}

/**
 * Judges every face of a set; all judges see the same decoded pixels. Faces that cannot be judged
 * are counted by `tally`.
 */
export async function judgeData(
  data: FaceData,
  judges: readonly Judge[],
  loader: Pick<Loader, "load">,
  { tally, signal, onDone }: { tally: Tally; signal: AbortSignal; onDone(done: number): void },
): Promise<Judged> {
  const scores = judges.map(() => new Float32Array(data.length).fill(Number.NaN));
  const alphas = judges.map(({ calibration }) =>
    calibration ? new Float32Array(data.length).fill(Number.NaN) : undefined,
  );
  const seeing = judges.some(({ embedder }) => embedder !== undefined);
  function* batches() {
    for (let start = 0; start < data.length; start += judgedAtOnce) {
      const samples = Array.from({ length: Math.min(judgedAtOnce, data.length - start) }, (_, i) => data.at(start + i));
      const bad = new Map<number, string>();
      const planes = seeing
        ? loader.load(
            samples.map(({ source }) => ({ source, flip: false })),
            (index, { message }) => bad.set(index, message),
          )
        : Promise.resolve(undefined);
      yield planes.then((pixels) => ({ start, samples, pixels, bad }));
    }
  }
  const usable: number[] = [];
  tally.tried(data.length);
  for await (const { start, samples, pixels, bad } of prefetch(batches(), 3)) {
    signal.throwIfAborted();
    const notFinite = new Map<number, string>();
    for (const [place, { name, embedder, calibration }] of judges.entries()) {
      const [own, ownAlpha] = [itemAt(scores, place), alphas[place]];
      if (embedder === undefined)
        samples.forEach(({ quality = Number.NaN }, i) => {
          own[start + i] = quality;
          if (calibration !== undefined && ownAlpha !== undefined) ownAlpha[start + i] = alphaOf(calibration, quality);
        });
      else if (pixels !== undefined) {
        const judged = await embedder.embed(pixels, samples.length);
        for (const face of rowsNotFinite(judged.data, 1)) notFinite.set(face, name);
        samples.forEach((_, i) => {
          if (bad.has(i) || notFinite.get(i) === name) return;
          own[start + i] = itemAt(judged.data, i);
          if (judged.alpha && ownAlpha !== undefined) ownAlpha[start + i] = itemAt(judged.alpha, i);
        });
      }
    }
    samples.forEach(({ source }, i) => {
      const [unreadable, measure] = [bad.get(i), notFinite.get(i)];
      if (unreadable !== undefined) tally.bad(unreadable);
      else if (measure !== undefined) tally.bad(`${nameOfFace(source)}: its ${measure} is not finite`, "notFinite");
      else usable.push(start + i);
    });
    onDone(start + samples.length);
  }
  return { scores, alphas, usable: Int32Array.from(usable) };
}
