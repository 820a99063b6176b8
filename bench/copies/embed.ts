import { join } from "node:path";
import { adaptedModel, loadAdapter } from "petalface/adapters";
import type { EmbeddingModel } from "petalface/backbones";
import { openData, subset } from "petalface/data";
import { findImages, type PairEmbeddings, type PairList } from "petalface/evaluation";
import { judgedModel, photoCalibration } from "petalface/quality";
import { type Job, trainJob } from "../faces/run.ts";
import { openFaceRows, requestsIn, shrinkTo } from "../skeleton/faces.ts";
import { lfw, openShared } from "../skeleton/shared.ts";

/** The images of a list of pairs, embedded sharp and at low resolutions. */
export interface Embedded {
  readonly sharp: PairEmbeddings;
  /** By the spelling of the degradation. */
  readonly degraded: ReadonlyMap<string, PairEmbeddings>;
}

/**
 * The model of a job: the frozen one with alpha by the photos' calibration, or the adapted one,
 * trained where it is not yet.
 */
async function modelOf(job: Job): Promise<EmbeddingModel> {
  const backbone = await openShared(job.model);
  if (job.contender.options === undefined)
    return judgedModel(backbone, photoCalibration({ name: "sharpness" }, backbone.size));
  const { seconds } = await trainJob(job);
  console.error(`${job.model}, ${job.contender.name}: trained in ${seconds.toFixed(0)} s`);
  return adaptedModel(backbone, await loadAdapter(join(job.folder, "run"), backbone));
}

/** Embeds every image of a list of pairs sharp and at each of these sides in pixels. */
export async function embedJob(job: Job, list: PairList, sides: readonly number[]): Promise<Embedded> {
  const model = await modelOf(job);
  const data = await openData(lfw);
  const shown = subset(data, findImages(list, data));
  await using faces = await openFaceRows(model, job.threads);
  const embed = async (pixels?: number): Promise<PairEmbeddings> => {
    const { rows, alpha } = await faces.embed(requestsIn(shown, () => shrinkTo(pixels)));
    return { width: model.width, data: rows, alpha };
  };
  const sharp = await embed();
  const degraded = new Map<string, PairEmbeddings>();
  for (const side of sides) degraded.set(`lr:${side}`, await embed(side));
  return { sharp, degraded };
}
