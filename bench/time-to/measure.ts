import { join } from "node:path";
import { itemAt } from "onnx-grad";
import { adaptedModel, loadAdapter } from "petalface/adapters";
import type { EmbeddingModel } from "petalface/backbones";
import { bootstrap, type Estimate, estimate } from "petalface/evaluation";
import { normaliseRows } from "petalface/matching";
import { testPixels } from "../faces/plan.ts";
import { recipeOf } from "../faces/recipe.ts";
import { facesOfFolds, type Job } from "../faces/run.ts";
import { openFaceRows, requestsIn, shrinkTo } from "../skeleton/faces.ts";
import { kept } from "../skeleton/kept.ts";
import { dot, rowAt } from "../skeleton/linear.ts";
import { openShared } from "../skeleton/shared.ts";
import { mean } from "../skeleton/statistics.ts";

/** Cosines of each held-out face at each low resolution to its own sharp embedding. */
export interface Cosines {
  /** By low resolution, as in {@link testPixels}, then by face. */
  readonly values: readonly (readonly number[])[];
  /** Person of each face, from 0. */
  readonly people: readonly number[];
}

/**
 * The measure of `petalface adapt --val cosine` on the people of the job's folds: the adapted
 * embedding of the shrunk face against the frozen one of the same face as it is. Kept in the job's
 * folder.
 */
export const cosinesOf = (job: Job): Promise<Cosines> =>
  kept(
    join(job.folder, "cosines.json"),
    () => measureCosines(job),
    JSON.stringify([recipeOf(job), job.folds, testPixels]),
  );

async function measureCosines(job: Job): Promise<Cosines> {
  const backbone = await openShared(job.model);
  const data = await facesOfFolds(job.folds);
  const { width } = backbone;
  const units = async (model: EmbeddingModel, pixels?: number): Promise<Float32Array> => {
    await using faces = await openFaceRows(model, job.threads);
    const requests = requestsIn(data, () => shrinkTo(pixels));
    return normaliseRows((await faces.embed(requests)).rows, width, "face");
  };
  const sharp = await units(backbone);
  const isFrozen = job.contender.options === undefined;
  const adapted = isFrozen ? backbone : adaptedModel(backbone, await loadAdapter(join(job.folder, "run"), backbone));
  const values: number[][] = [];
  for (const pixels of testPixels) {
    const rows = await units(adapted, pixels);
    values.push(
      Array.from({ length: data.length }, (_, face) => dot(rowAt(rows, width, face), rowAt(sharp, width, face))),
    );
  }
  const persons = Array.from({ length: data.length }, (_, at) => data.at(at).person);
  const order = [...new Set(persons)];
  return { values, people: persons.map((person) => order.indexOf(person)) };
}

/** Each face's mean over the low resolutions. */
export const meanOverSizes = ({ values }: Cosines): number[] =>
  values[0].map((_, face) => mean(values.map((row) => row[face])));

/** The mean of some values of faces, with its interval over people. */
export function meanOverPeople(values: readonly number[], people: readonly number[], resamples = 1000): Estimate {
  const count = Math.max(...people) + 1;
  const [row = new Float64Array(1)] = bootstrap(count, { resamples, seed: 1 }, (drawn) => {
    let [sum, weight] = [0, 0];
    values.forEach((value, at) => {
      const times = itemAt(drawn, itemAt(people, at));
      sum += times * value;
      weight += times;
    });
    return [sum / weight];
  });
  return estimate(row);
}
