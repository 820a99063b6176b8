import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  adapt,
  adaptedModel,
  type EvaluationResult,
  evaluatePairs,
  type FaceData,
  loadAdapter,
  openBackbone,
  openData,
  openEmbedder,
  openLoader,
  readPairs,
  subset,
  type TrainingOptions,
} from "petalface";
import { type Contender, heldOutFolds, shared, testPixels } from "./plan.ts";

/** One training and its measurement. */
export interface Job {
  readonly contender: Contender;
  /** File name in the shared weights. */
  readonly model: string;
  readonly seed: number;
  /** Training images seen in all. */
  readonly images: number;
  readonly folds: readonly number[];
  readonly threads: number;
  /** Folder for the run and its result. */
  readonly folder: string;
  /** Choices on top of the contender's. */
  readonly options?: Partial<TrainingOptions>;
}

/** What a job leaves in `result.json`. */
export interface JobResult {
  readonly result: EvaluationResult;
  readonly seconds: number;
  readonly trained: number;
}

const lfw = join(shared, "data/lfw112");
const pairsFile = join(shared, "data/lfw112_pairs.txt");

/** LFW's people who are in none of the held-out folds' pairs. */
async function trainingFaces(): Promise<FaceData> {
  const heldOut = new Set((await readPairs(pairsFile, { folds: heldOutFolds })).people);
  return subset(await openData(lfw), (_, person) => person !== undefined && !heldOut.has(person));
}

/** Trains (unless the contender is the frozen model) and measures. Writes `result.json` into the job's folder. */
export async function runJob(job: Job): Promise<JobResult> {
  const { contender, folder, threads } = job;
  const model = join(shared, "weights", `${job.model}.onnx`);
  const backbone = await openBackbone(model);
  const run = join(folder, "run");
  let seconds = 0;
  let trained = 0;
  await rm(run, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  if (contender.options !== undefined) {
    const data = contender.train === undefined ? await trainingFaces() : await openData(contender.train);
    const options = { ...contender.options, ...job.options, seed: job.seed, epochs: job.images / data.length };
    const started = performance.now();
    const done = await adapt({ model, train: data.spec, options, out: run }, { data, threads });
    seconds = (performance.now() - started) / 1000;
    trained = done.run.trained.parameters;
  }
  const adapted = contender.options === undefined ? backbone : adaptedModel(backbone, await loadAdapter(run, backbone));
  const embedder = await openEmbedder(adapted, { threads });
  const loader = openLoader({ size: backbone.size, threads: 1 });
  const result = await evaluatePairs({
    embedder,
    data: await openData(lfw),
    protocol: await readPairs(pairsFile, { folds: job.folds }),
    degradations: [...testPixels],
    loader,
  });
  await embedder.close();
  await loader.close();
  const record = { result, seconds, trained };
  await writeFile(join(folder, "measured.json"), JSON.stringify(slim(record)));
  return record;
}

/** Without the raw scores, which only paired comparisons need. */
export const slim = (record: JobResult): unknown => ({ ...record, result: { ...record.result, detail: undefined } });
