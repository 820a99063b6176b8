import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { adaptedModel, loadAdapter } from "petalface/adapters";
import { openBackbone, openEmbedder } from "petalface/backbones";
import { type FaceData, openData, subset } from "petalface/data";
import {
  type EvaluationResult,
  evaluate,
  loadEvaluation,
  type PairList,
  protocolOfPairs,
  readPairs,
  saveEvaluation,
  syntheticPairs,
} from "petalface/evaluation";
import { openLoader } from "petalface/images";
import { adapt, type TrainingChoices } from "petalface/training";
import { lfw, lfwPairs, modelFile } from "../skeleton/shared.ts";
import { spread } from "../skeleton/statistics.ts";
import { type Contender, heldOutFolds, testPixels } from "./plan.ts";

/** One training and its measurement. */
export interface Job {
  readonly contender: Contender;
  /** File name in the shared weights, or the path of an .onnx file. */
  readonly model: string;
  readonly seed: number;
  /** Training images seen in all. */
  readonly images: number;
  readonly folds: readonly number[];
  readonly threads: number;
  /** How many of the training faces are used, spread over all; all unless given. */
  readonly faces?: number;
  /** Low resolutions to measure; {@link testPixels} unless given. */
  readonly pixels?: readonly number[];
  /** Folder for the run and its result. */
  readonly folder: string;
  /** Choices on top of the contender's. */
  readonly options?: TrainingChoices;
  /** As in the context of `adapt`. */
  readonly prefixBytes?: number | undefined;
  readonly onStep?: (() => void) | undefined;
}

/** What a job leaves in its folder. */
export interface JobResult {
  readonly result: EvaluationResult;
  /** Wall time of the training. */
  readonly seconds: number;
  /** Trained numbers. */
  readonly trained: number;
}

/**
 * LFW's people who are in none of the held-out folds' pairs; `count` of their photos, spread over
 * all, or all of them.
 */
export async function trainingFaces(count?: number): Promise<FaceData> {
  const heldOut = new Set((await readPairs(lfwPairs, { folds: heldOutFolds })).people);
  const faces = subset(await openData(lfw), (_, person) => person !== undefined && !heldOut.has(person));
  return count === undefined ? faces : subset(faces, spread(count, faces.length));
}

/**
 * The official pairs of these folds; of a single fold, which has no other to choose a threshold on,
 * pairs drawn from its people.
 */
export async function pairsOf(folds: readonly number[]): Promise<PairList> {
  if (folds.length > 1) return readPairs(lfwPairs, { folds });
  const { pairs, images, people: names } = await readPairs(lfwPairs);
  const inFold = pairs.filter((pair) => folds.includes(pair.fold + 1)).flatMap((pair) => [pair.first, pair.second]);
  const people = new Set(inFold.map((image) => names[images[image]?.person ?? -1]));
  const faces = subset(await openData(lfw), (_, person) => person !== undefined && people.has(person));
  return syntheticPairs(faces, { pairs: 1200, folds: 5 });
}

/** Trains, unless the contender is the frozen model, into the folder `run` of the job's folder. */
export async function trainJob(job: Job): Promise<Omit<JobResult, "result">> {
  const { contender, folder, threads } = job;
  const model = modelFile(job.model);
  const run = join(folder, "run");
  let seconds = 0;
  let trained = 0;
  await rm(run, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  if (contender.options !== undefined) {
    const data = contender.train === undefined ? await trainingFaces(job.faces) : await openData(contender.train);
    const options = { ...contender.options, ...job.options, seed: job.seed, epochs: job.images / data.length };
    const started = performance.now();
    const done = await adapt(
      { model, train: data.spec, options, out: run },
      { data, threads, prefixBytes: job.prefixBytes, onStep: job.onStep },
    );
    seconds = (performance.now() - started) / 1000;
    trained = done.run.trained.parameters;
  }
  return { seconds, trained };
}

/** A job's model on a list of pairs, sharp and at its low resolutions. */
export async function measureJob(job: Job, pairs: PairList, data: FaceData): Promise<EvaluationResult> {
  const backbone = await openBackbone(modelFile(job.model));
  const run = join(job.folder, "run");
  const adapted =
    job.contender.options === undefined ? backbone : adaptedModel(backbone, await loadAdapter(run, backbone));
  const embedder = await openEmbedder(adapted, { threads: job.threads });
  await using loader = openLoader({ size: backbone.size, threads: 1 });
  const degradations = (job.pixels ?? testPixels).map((side) => `lr:${side}`);
  const result = await evaluate({ model: embedder, protocol: protocolOfPairs(pairs, data), degradations, loader });
  await embedder.close();
  return result;
}

/**
 * Trains (unless the contender is the frozen model) and measures. Leaves its numbers in the job's
 * folder.
 */
export async function runJob(job: Job): Promise<JobResult> {
  const record = await trainJob(job);
  const result = await measureJob(job, await pairsOf(job.folds), await openData(lfw));
  await saveEvaluation(join(job.folder, "evaluation.json"), result);
  await writeFile(join(job.folder, "training.json"), JSON.stringify(record));
  return { ...record, result };
}

/** What an earlier call left in the job's folder, or undefined. */
export async function finishedJob(folder: string): Promise<JobResult | undefined> {
  try {
    const record = JSON.parse(await readFile(join(folder, "training.json"), "utf8")) as Omit<JobResult, "result">;
    return { ...record, result: await loadEvaluation(join(folder, "evaluation.json")) };
  } catch {
    return undefined;
  }
}
