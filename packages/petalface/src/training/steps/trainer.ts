import { join } from "node:path";
import { type Adapter, type AdapterConfig, type Layout, saveAdapter } from "../../adapters/index.ts";
import { type Backbone, type Embedder, maskTokens, openEmbedder, rowsNotFinite } from "../../backbones/index.ts";
import type { FaceData, FaceLoader } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { prefetch } from "../../images/index.ts";
import { openSession, type SessionOptions } from "../../runtime/index.ts";
import type { TrainingOptions } from "../options/options.ts";
import { openPrefix } from "../prefix/prefix.ts";
import { splitGraph } from "../prefix/split.ts";
import { openJournal } from "../run/journal.ts";
import type { MetricsRecord, StepRecord } from "../run/metrics.ts";
import {
  noteValidation,
  outOfPatience,
  type ValidationRecord,
  type ValidationScore,
  type Validator,
  validationDue,
} from "../run/validation.ts";
import { saveState, type TrainingState } from "../state/checkpoint.ts";
import { prepareSteps } from "./batches.ts";
import { watchLoss } from "./divergence.ts";
import { trainingGraph } from "./graph.ts";
import { type Draw, epochOf } from "./sampler.ts";
import { trainingSession } from "./session.ts";
import { applyStep, computeStep } from "./step.ts";
import { openTargets, type TargetCache } from "./targets.ts";
import { waitingClock } from "./waiting.ts";

/** Batches prepared ahead of the engine. */
const ahead = 3;
/** A checkpoint that takes long is written less often: at most this share of the time goes into it. */
const checkpointShare = 0.05;

/** What {@link trainSteps} works on. */
export interface TrainingTask {
  readonly backbone: Backbone;
  readonly data: FaceData;
  readonly loader: FaceLoader;
  readonly options: TrainingOptions;
  readonly config: AdapterConfig;
  readonly layout: Layout;
  /** Total steps of the run. */
  readonly steps: number;
  /** The run's folder; checkpoints and metrics go there. */
  readonly folder: string;
  readonly session: SessionOptions;
  /** Records of the run so far, up to the state's step. */
  readonly history: readonly MetricsRecord[];
  readonly validator: Validator | undefined;
  /** Most bytes of a file for what frozen layers below all adapters make of the images (only with `variants`); 0: none. */
  readonly prefixBytes: number;
  /** Targets of earlier runs, and place for this one's. */
  readonly targetCache?: TargetCache | undefined;
  /** Stops after the current step, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((record: StepRecord) => void) | undefined;
  readonly onValidation?: ((record: ValidationRecord) => void) | undefined;
}

/** How a call of {@link trainSteps} ended. */
export interface TrainingEnd {
  readonly finished: boolean;
  /** Share of the time between the first and the last step that the engine waited for images; undefined for fewer than two steps. */
  readonly waiting: number | undefined;
}

/**
 * Runs the remaining steps, changing `state` in place. Finished when all are done or the validation ran out of patience, not when
 * the signal stopped it (a checkpoint is then written). Throws PetalfaceError if training diverges (see {@link watchLoss}).
 * A checkpoint holds weights that a whole batch has already been computed with, to a loss in its usual range; so the last one is good.
 */
export async function trainSteps(task: TrainingTask, state: TrainingState): Promise<TrainingEnd> {
  const { options, folder, steps, validator, signal } = task;
  const journal = openJournal(folder, options);
  const watch = watchLoss(options, { folder, classes: state.head?.classes ?? 0 });
  for (const record of task.history) if ("loss" in record) watch.add(record.step, record.loss, record.gradientNorm);
  let saved = performance.now();
  let writing = 0;
  const checkpoint = async (): Promise<void> => {
    const start = performance.now();
    await journal.flush();
    await saveState(folder, state);
    saved = performance.now();
    writing = saved - start;
  };
  const checkpointDue = (): boolean =>
    watch.calm &&
    (options.checkpointSeconds === 0 ||
      performance.now() - saved > Math.max(options.checkpointSeconds * 1000, writing / checkpointShare));
  /** Measures where it is time to. False if the signal stopped it; a resumed run then starts with this validation. */
  const validate = async (): Promise<boolean> => {
    const { validation } = state;
    const every = {
      every: options.validateEvery,
      steps,
      batch: options.batch,
      images: epochOf(options, task.data.length),
    };
    if (validator === undefined || validation === undefined) return true;
    if (validation.last === state.step || !validationDue(state.step, every)) return true;
    let score: ValidationScore;
    try {
      score = await validator.evaluate(adapterOf(task.config, state), signal);
    } catch (error) {
      if (!signal?.aborted) throw error;
      if (watch.calm) await checkpoint();
      return false;
    }
    const record = noteValidation(validation, state.step, score, state);
    journal.add(record);
    task.onValidation?.(record);
    await checkpoint();
    return true;
  };
  const finished = (): boolean => state.step >= steps || outOfPatience(state.validation, options.patience);

  // A run that dies before its first half minute can be resumed too.
  if (state.step === 0) await checkpoint();
  if (!(await validate())) return { finished: false, waiting: undefined };
  if (finished()) return { finished: true, waiting: undefined };
  await using engines = await openEngines(task, state);
  const clock = waitingClock();
  for await (const batch of prefetch(prepareSteps(task, engines, state.step), ahead)) {
    clock.arrived();
    const computed = await computeStep({ ...task, ...engines }, state, batch);
    watch.add(batch.step + 1, computed.loss, computed.gradientNorm);
    if (state.step > 0 && checkpointDue()) await checkpoint();
    const record = applyStep({ ...task, ...engines }, state, computed);
    journal.add(record, clock.last());
    task.onStep?.(record);
    if (signal?.aborted && state.step < steps) {
      if (watch.calm) await checkpoint();
      return { finished: false, waiting: clock.share() };
    }
    if (!(await validate())) return { finished: false, waiting: clock.share() };
    if (finished()) break;
    clock.asked();
  }
  if (!state.theta.every(Number.isFinite))
    throw new PetalfaceError(
      `step ${state.step}: the weights are not finite; lower --lr (now ${options.learningRate}) and continue from the last checkpoint: petalface adapt --resume ${folder} --lr ${options.learningRate / 4}`,
    );
  await checkpoint();
  return { finished: true, waiting: clock.share() };
}

/** The training graph and, for distillation, the frozen teacher, loaded. */
async function openEngines(task: TrainingTask, state: TrainingState) {
  const { backbone, options } = task;
  const classes = Math.min(state.head?.classes ?? 0, options.classesPerStep);
  const { tokenMasking } = options;
  const shown = tokenMasking > 0 ? maskTokens(backbone, tokenMasking) : backbone;
  const graph = trainingGraph(shown, task.config, options, classes);
  const int8 = options.base === "int8";
  if (int8 && (task.session.provider ?? "cpu") !== "cpu")
    throw new PetalfaceError(`--base int8 computes on the CPU only, not on ${task.session.provider}`);
  const session = trainingSession(backbone, task.session);
  const batch = options.batch / options.accumulate;
  const split = options.variants > 0 ? splitGraph(graph.graph, graph.inputs.image, batch) : undefined;
  // What is open goes again where the next one cannot be opened.
  await using open = new AsyncDisposableStack();
  // Runs of the whole training, so that one that was stopped goes on with the same graph.
  const runs = task.steps * options.accumulate;
  const engine = open.adopt(await openSession(split?.rest ?? graph.graph, { ...session, int8, runs }), (each) =>
    each.close(),
  );
  const targets =
    graph.inputs.target === undefined
      ? undefined
      : open.adopt(await openTargets(backbone, task.data.length, session, task.targetCache), (each) => each.close());
  const { folder, prefixBytes: bytes } = task;
  const prefix =
    split &&
    open.adopt(
      await openPrefix({ backbone, split, batch, variants: options.variants, folder, bytes, session }),
      (each) => each?.close(),
    );
  let frozen: Promise<Embedder> | undefined;
  open.defer(async () => (await frozen)?.close());
  const opened = open.move();
  return {
    graph,
    engine,
    targets,
    prefix,
    /** Loaded for a loss that is not finite only: to tell a picture from a learning rate. */
    async findNotFinite(draws: readonly Draw[]): Promise<readonly number[]> {
      frozen ??= openEmbedder(backbone, session);
      const { batch: most, embed, width } = await frozen;
      const requests = draws.map(({ index, flip, degrade }) => ({
        ...{ source: task.data.at(index).source, face: index, flip, degrade },
      }));
      const found: number[] = [];
      for (let start = 0; start < requests.length; start += most) {
        const part = requests.slice(start, start + most);
        const { data } = await embed(await task.loader.load(part), part.length);
        found.push(...rowsNotFinite(data, width).map((row) => start + row));
      }
      return found;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** The adapter that a state holds: of now, or of the best validation. */
export const adapterOf = (
  config: AdapterConfig,
  { theta, statistics }: Pick<TrainingState, "theta" | "statistics">,
): Adapter => ({
  ...{ config, theta },
  ...(config.batchNorm === "train" && { statistics }),
});

/** Saves a finished run's adapter. */
export const saveResult = (folder: string, backbone: Backbone, adapter: Adapter): Promise<void> =>
  saveAdapter(join(folder, "adapter"), backbone, adapter);
