import { join } from "node:path";
import { openData } from "petalface/data";
import { type EvaluationResult, loadEvaluation, saveEvaluation, syntheticPairs } from "petalface/evaluation";
import { type Job, measureJob } from "../faces/run.ts";

/** People who were in no training: the trainings are on photos. */
const people = "synthetic:people=300,images=3,seed=11";

/** All pairs of one person, and as many of two. */
const drawn = { pairs: 1800, folds: 10 };

const file = (job: Job): string => join(job.folder, "synthetic.json");

/** What {@link measureSynthetic} found earlier, or undefined. */
export const finishedSynthetic = (job: Job): Promise<EvaluationResult | undefined> =>
  loadEvaluation(file(job)).catch(() => undefined);

/**
 * Measures a finished training on pairs of synthetic people: sharp, low-resolution and mixed.
 * Writes the result next to that on photos.
 */
export async function measureSynthetic(job: Job): Promise<EvaluationResult> {
  const data = await openData(people);
  const result = await measureJob(job, syntheticPairs(data, drawn), data);
  await saveEvaluation(file(job), result);
  return result;
}
