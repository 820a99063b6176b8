import { availableParallelism } from "node:os";
import {
  type Adapter,
  type AdapterConfig,
  findSites,
  initialTheta,
  type Layout,
  layoutOf,
  selectSites,
} from "../adapters/index.ts";
import { type Backbone, openBackbone, openEmbedder } from "../backbones/index.ts";
import { type FaceData, openData } from "../data/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type Loader, openLoader } from "../images/index.ts";
import type { Provider, SessionOptions } from "../runtime/index.ts";
import { versions } from "../versions.ts";
import { freshMoments } from "./adamw.ts";
import { fitCalibration } from "./calibration.ts";
import { restoreState, type TrainingState } from "./checkpoint.ts";
import { type Head, headOf } from "./head.ts";
import { rewindMetrics, type StepRecord } from "./metrics.ts";
import { type TrainingChoices, type TrainingOptions, trainingOptions } from "./options.ts";
import { createRun, type RunRecord, readRun, writeRun } from "./run.ts";
import { stepsOf } from "./sampler.ts";
import { saveResult, trainSteps } from "./trainer.ts";

/** Faces of each person that the first class centre is the mean of. */
const facesPerCentre = 4;

/** Memory for decoded training faces; what does not fit is decoded again every epoch. */
const decodedCacheBytes = 512 * 2 ** 20;

/** What surrounds a training run without changing its result (but for the number of threads). */
export interface AdaptContext {
  readonly threads?: number | undefined;
  readonly provider?: Provider | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called once the run is known, before the first step. */
  readonly onStart?: ((run: RunRecord, firstStep: number) => void) | undefined;
  readonly onStep?: ((record: StepRecord, run: RunRecord) => void) | undefined;
  /** Data already open (a subset, say) instead of the one that the spec names. */
  readonly data?: FaceData | undefined;
}

/** A new run: model, training set, choices and the folder it goes to. */
export interface AdaptRequest {
  readonly model: string;
  readonly normalize?: string | undefined;
  readonly train: string;
  readonly options: TrainingChoices;
  readonly out: string;
}

/** The end of a training call: done, or interrupted with a checkpoint. */
export interface AdaptResult {
  readonly finished: boolean;
  readonly run: RunRecord;
  readonly adapter: Adapter;
}

/** Trains an adapter into a new run folder. Throws PetalfaceError for whatever the user can mend. */
export async function adapt(request: AdaptRequest, context: AdaptContext = {}): Promise<AdaptResult> {
  const options = trainingOptions(request.options);
  const backbone = await openBackbone(request.model, request.normalize);
  const data = context.data ?? (await openData(request.train));
  if (options.loss !== "distil") requirePeople(data, options);
  const session = sessionOptions(context);
  await using loader = openLoader({ size: backbone.size, threads: session.threads, cacheBytes: decodedCacheBytes });
  await createRun(request.out);
  const config: AdapterConfig = {
    method: options.method,
    gate: options.gate,
    rank: options.rank,
    scale: options.scale,
    sites:
      options.method === "lora"
        ? selectSites(findSites(backbone.graph).sites, options.sites).map((site) => site.name)
        : [],
    backbone: { name: backbone.spec.name, sha256: backbone.spec.sha256 },
    calibration: await fitCalibration(backbone, data, loader, options, session),
  };
  const layout = layoutOf(backbone, config);
  const run: RunRecord = {
    format: 1,
    options,
    model: {
      given: request.model,
      normalize: request.normalize,
      name: backbone.spec.name,
      sha256: backbone.spec.sha256,
    },
    data: { spec: data.spec, fingerprint: data.fingerprint, images: data.length, people: data.people.length },
    adapter: config,
    steps: stepsOf(options, data.length),
    trained: { parameters: layout.length, share: layout.length / backbone.parameters },
    machine: { threads: session.threads, provider: session.provider },
    versions: await versions(),
  };
  await writeRun(request.out, run);
  const state = await firstState(backbone, data, loader, layout, options, session);
  return await finish(request.out, run, { backbone, data, loader, layout, session }, state, context);
}

/** Continues a run from its last checkpoint; on the same machine with the same threads the result has the same bits as an uninterrupted run. */
export async function resume(folder: string, context: AdaptContext = {}): Promise<AdaptResult> {
  const run = await readRun(folder);
  const backbone = await openBackbone(run.model.given, run.model.normalize);
  if (backbone.spec.sha256 !== run.model.sha256)
    throw new PetalfaceError(
      `${run.model.given} is not the model that ${folder} was started with (its SHA-256 differs)`,
    );
  const data = context.data ?? (await openData(run.data.spec));
  if (data.fingerprint !== run.data.fingerprint)
    throw new PetalfaceError(
      `${run.data.spec} is not the data that ${folder} was started with (files were added, removed or changed)`,
    );
  const session = sessionOptions({ ...context, threads: context.threads ?? run.machine.threads });
  await using loader = openLoader({ size: backbone.size, threads: session.threads, cacheBytes: decodedCacheBytes });
  const layout = layoutOf(backbone, run.adapter);
  const state = await firstState(backbone, data, loader, layout, run.options, session);
  await restoreState(folder, state);
  await rewindMetrics(folder, state.step);
  return await finish(folder, run, { backbone, data, loader, layout, session }, state, context);
}

interface Parts {
  readonly backbone: Backbone;
  readonly data: FaceData;
  readonly loader: Loader;
  readonly layout: Layout;
  readonly session: SessionOptions;
}

async function finish(
  folder: string,
  run: RunRecord,
  parts: Parts,
  state: TrainingState,
  context: AdaptContext,
): Promise<AdaptResult> {
  context.onStart?.(run, state.step);
  const finished = await trainSteps(
    {
      ...parts,
      options: run.options,
      config: run.adapter,
      steps: run.steps,
      folder,
      signal: context.signal,
      onStep: (record) => context.onStep?.(record, run),
    },
    state,
  );
  const adapter = { config: run.adapter, theta: state.theta };
  if (finished) await saveResult(folder, parts.backbone, adapter);
  return { finished, run, adapter };
}

async function firstState(
  backbone: Backbone,
  data: FaceData,
  loader: Loader,
  layout: Layout,
  options: TrainingOptions,
  session: SessionOptions,
): Promise<TrainingState> {
  const theta = await initialTheta(backbone, layout, options.seed);
  const head = options.loss === "distil" ? undefined : await firstHead(backbone, data, loader, session);
  return { step: 0, theta, moments: freshMoments(theta.length), head };
}

/** Class centres before the first step: the mean direction of a few sharp faces of each person, seen by the frozen backbone. */
async function firstHead(backbone: Backbone, data: FaceData, loader: Loader, session: SessionOptions): Promise<Head> {
  const { width } = backbone;
  const centres = new Float32Array(data.people.length * width);
  const seen = new Uint32Array(data.people.length);
  const embedder = await openEmbedder(backbone, session);
  const embed = async (indices: readonly number[]): Promise<void> => {
    const planes = await loader.load(indices.map((index) => ({ source: data.at(index).source, flip: false })));
    const { data: rows } = await embedder.embed(planes, indices.length);
    indices.forEach((index, i) => {
      const row = rows.subarray(i * width, (i + 1) * width);
      const length = Math.hypot(...row);
      const start = data.at(index).person * width;
      row.forEach((value, k) => {
        centres[start + k] = (centres[start + k] as number) + value / length;
      });
    });
  };
  try {
    const waiting: number[] = [];
    for (let index = 0; index < data.length; index++) {
      const { person } = data.at(index);
      if ((seen[person] as number) >= facesPerCentre) continue;
      seen[person] = (seen[person] as number) + 1;
      waiting.push(index);
      if (waiting.length === embedder.batch) await embed(waiting.splice(0));
    }
    if (waiting.length > 0) await embed(waiting);
  } finally {
    await embedder.close();
  }
  for (let person = 0; person < data.people.length; person++) {
    const row = centres.subarray(person * width, (person + 1) * width);
    const length = Math.max(Math.hypot(...row), 1e-12);
    row.forEach((value, k) => {
      row[k] = value / length;
    });
  }
  return headOf(centres, width);
}

function requirePeople(data: FaceData, options: TrainingOptions): void {
  if (data.people.length >= 2 && data.length > 0 && data.at(0).person >= 0) return;
  throw new PetalfaceError(
    `--loss ${options.loss} needs at least two people, one folder each, and ${data.spec} has ${data.people.length}; use --loss distil, which needs no identities`,
  );
}

const sessionOptions = (
  context: AdaptContext,
): SessionOptions & { readonly threads: number; readonly provider: Provider } => ({
  threads: context.threads ?? availableParallelism(),
  provider: context.provider ?? "cpu",
});
