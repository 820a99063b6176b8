import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
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
import { adapt, resume } from "petalface/training";
import { lfw, lfwPairs, modelFile, openShared } from "../skeleton/shared.ts";
import { spread } from "../skeleton/statistics.ts";
import { openContender } from "./forms.ts";
import { type Job, type JobResult, trainingFolder } from "./job.ts";
import { fillTargets, openGallery, openTargetFile } from "./kept.ts";
import { heldOutFolds, testPixels } from "./plan.ts";
import { principalRun, trainPrincipal } from "./principal.ts";
import { askedOf, readRecord, recipeOf } from "./recipe.ts";

export type { Job, JobResult } from "./job.ts";

/** Names of the people in LFW's official pairs: of some folds, which count from 1, or of all. */
export async function peopleOfFolds(folds?: readonly number[]): Promise<ReadonlySet<string>> {
  const { pairs, images, people } = await readPairs(lfwPairs);
  const chosen = pairs.filter(({ fold }) => folds?.includes(fold + 1) ?? true);
  return new Set(chosen.flatMap(({ first, second }) => [first, second].map((image) => people[images[image].person])));
}

/**
 * LFW's people who are in none of the held-out folds' pairs; `count` of their photos, spread over
 * all, or all of them.
 */
export async function trainingFaces(count?: number): Promise<FaceData> {
  const heldOut = await peopleOfFolds(heldOutFolds);
  const faces = subset(await openData(lfw), (_, person) => person !== undefined && !heldOut.has(person));
  return count === undefined ? faces : subset(faces, spread(count, faces.length));
}

/** All photos of the people who are in these folds' pairs. */
export async function facesOfFolds(folds: readonly number[]): Promise<FaceData> {
  const people = await peopleOfFolds(folds);
  return subset(await openData(lfw), (_, person) => person !== undefined && people.has(person));
}

/**
 * The official pairs of these folds; of a single fold, which has no other to choose a threshold on,
 * pairs drawn from its people.
 */
export async function pairsOf(folds: readonly number[]): Promise<PairList> {
  if (folds.length > 1) return readPairs(lfwPairs, { folds });
  return syntheticPairs(await facesOfFolds(folds), { pairs: 1200, folds: 5 });
}

/**
 * Trains, unless the contender is the frozen model, into the folder `run` of the job's folder. A
 * finished training of the same recipe is not run again, and one that was stopped continues; its
 * seconds are those of the last call.
 *
 * @throws Error if the training that the job reads is not there
 */
export async function trainJob(job: Job): Promise<Omit<JobResult, "result">> {
  const { contender, threads } = job;
  const asked = recipeOf(job);
  const folder = trainingFolder(job);
  const [done, begun] = [join(folder, "training.json"), join(folder, "begun.json")];
  const known = await readRecord(done, asked);
  if (known !== undefined) return known;
  if (job.source !== undefined)
    throw new Error(`${contender.name} reads the training of ${contender.of} in ${folder}, which is not there`);
  const run = join(folder, "run");
  const isPrincipal = contender.start === "principal";
  const begunRun = join(isPrincipal ? principalRun(run) : run, "run.json");
  const isBegun = (await readRecord(begun, asked)) !== undefined && existsSync(begunRun);
  if (!isBegun) for (const old of [run, dirname(principalRun(run))]) await rm(old, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  let [seconds, trained] = [0, 0];
  if (contender.options !== undefined) {
    await writeFile(begun, JSON.stringify({ asked }));
    const data = contender.train === undefined ? await trainingFaces(job.faces) : await openData(contender.train);
    const model = modelFile(job.model);
    const backbone = await openBackbone(model);
    const targets = await openTargetFile(job.frozen ?? folder, backbone, data);
    const { prefixBytes, onStep } = job;
    const context = { data, threads, prefixBytes, onStep, targetCache: targets.cache };
    const options = { ...contender.options, ...job.options, seed: job.seed, epochs: job.images / data.length };
    // The network that is trained there is not the one that the targets are of.
    if (isPrincipal) await fillTargets(targets.cache, backbone, data, threads);
    const started = performance.now();
    if (isPrincipal) trained = await trainPrincipal({ backbone, data, options, out: run, context, isBegun });
    else {
      const request = { model, train: data.spec, options, out: run, init: contender.init };
      const made = await (isBegun ? resume(run, context) : adapt(request, context));
      trained = made.run.trained.parameters;
    }
    seconds = (performance.now() - started) / 1000;
    if (job.frozen !== undefined) await targets.save();
  }
  await writeFile(done, JSON.stringify({ asked, seconds, trained }));
  return { seconds, trained };
}

/**
 * A job's model on a list of pairs, sharp and at its low resolutions; with the gallery that the
 * frozen model enrolled as well, where the job says so.
 */
export async function measureJob(job: Job, pairs: PairList, data: FaceData): Promise<EvaluationResult> {
  const backbone = await openShared(job.model);
  const protocol = protocolOfPairs(pairs, data);
  await using loader = openLoader({ size: backbone.size, threads: 1 });
  const gallery = job.frozen === undefined ? undefined : await openGallery(job.frozen, backbone, pairs);
  if (gallery?.isEmpty && job.contender.options !== undefined) {
    const frozen = await openEmbedder(backbone, { threads: job.threads });
    await evaluate({ model: frozen, protocol, loader, gallery, bootstrap: { resamples: 1 } });
    await frozen.close();
  }
  const embedder = await openContender(job, backbone);
  const degradations = (job.pixels ?? testPixels).map((side) => `lr:${side}`);
  const result = await evaluate({ model: embedder, protocol, degradations, loader, gallery });
  await gallery?.save();
  await embedder.close();
  return result;
}

/** Where the measurements of a job on its folds are. */
const measuredIn = ({ folder, folds }: Job): string => join(folder, `folds-${folds.join("-")}`);

/**
 * Trains (unless the contender is the frozen model) and measures. Leaves its numbers in the job's
 * folder.
 */
export async function runJob(job: Job): Promise<JobResult> {
  const { seconds, trained } = await trainJob(job);
  const result = await measureJob(job, await pairsOf(job.folds), await openData(lfw));
  const place = measuredIn(job);
  await mkdir(place, { recursive: true });
  await saveEvaluation(join(place, "evaluation.json"), result);
  await writeFile(join(place, "job.json"), JSON.stringify({ asked: askedOf(job), seconds, trained }));
  return { seconds, trained, result };
}

/** What an earlier call left of the same job, or undefined: other options are another job. */
export async function finishedJob(job: Job): Promise<JobResult | undefined> {
  const place = measuredIn(job);
  const record = await readRecord(join(place, "job.json"), askedOf(job));
  if (record === undefined) return undefined;
  const { seconds, trained } = record;
  return { seconds, trained, result: await loadEvaluation(join(place, "evaluation.json")) };
}
