import { join } from "node:path";
import { adaptedModel, loadAdapter } from "petalface/adapters";
import { openBackbone, openEmbedder } from "petalface/backbones";
import { openData } from "petalface/data";
import {
  type EvaluationResult,
  evaluate,
  loadEvaluation,
  protocolOfPairs,
  saveEvaluation,
  syntheticPairs,
} from "petalface/evaluation";
import { openLoader } from "petalface/images";
import { shared, testPixels } from "../faces/plan.ts";
import type { Job } from "../faces/run.ts";

/** People who were in no training: the trainings are on photos. */
const people = "synthetic:people=300,images=3,seed=11";

/** All pairs of one person, and as many of two. */
const drawn = { pairs: 1800, folds: 10 };

const file = (job: Job): string => join(job.folder, "synthetic.json");

/** What {@link measureSynthetic} found earlier, or undefined. */
export const finishedSynthetic = (job: Job): Promise<EvaluationResult | undefined> =>
  loadEvaluation(file(job)).catch(() => undefined);

/** Measures a finished training on pairs of synthetic people: sharp, low-resolution and mixed. Writes the result next to that on photos. */
export async function measureSynthetic(job: Job): Promise<EvaluationResult> {
  const backbone = await openBackbone(join(shared, "weights", `${job.model}.onnx`));
  const { options } = job.contender;
  const adapted =
    options === undefined ? backbone : adaptedModel(backbone, await loadAdapter(join(job.folder, "run"), backbone));
  const embedder = await openEmbedder(adapted, { threads: job.threads });
  await using loader = openLoader({ size: backbone.size, threads: 1 });
  const data = await openData(people);
  const result = await evaluate({
    model: embedder,
    protocol: protocolOfPairs(syntheticPairs(data, drawn), data),
    degradations: testPixels.map((side) => `lr:${side}`),
    loader,
  });
  await embedder.close();
  await saveEvaluation(file(job), result);
  return result;
}
