import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Adapter, type AdapterConfig, saveAdapter } from "../../adapters/index.ts";
import type { Backbone } from "../../backbones/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { prefetch } from "../../images/index.ts";
import { printArgument } from "../../print-path.ts";
import { type Ranks, requireSame } from "../../ranks.ts";
import { type Journal, openJournal } from "../run/journal.ts";
import type { StepRecord } from "../run/metrics.ts";
import type { Run } from "../run/types.ts";
import {
  noteValidation,
  outOfPatience,
  type ValidationRecord,
  type ValidationScore,
  validationDue,
} from "../run/validation.ts";
import { saveState, type TrainingState } from "../state/checkpoint.ts";
import { watchLoss } from "./divergence.ts";
import { openEngines } from "./engines.ts";
import { epochOf } from "./sampler.ts";
import { shareOf } from "./share.ts";
import { applyStep, computeStep } from "./step.ts";
import type { TargetCache } from "./targets.ts";
import { waitingClock } from "./waiting.ts";

/** Batches prepared ahead of the engine. */
const ahead = 3;
/**
 * A checkpoint that takes long is written less often: at most this share of the time goes into it.
 */
const checkpointShare = 0.05;

/** What surrounds {@link trainSteps}. */
export interface TrainingContext {
  /**
   * Most bytes of a file for what frozen layers below all adapters make of the images (only with
   * `variants`); 0: none.
   */
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
  /**
   * Share of the time between the first and the last step that the engine waited for images;
   * undefined for fewer than two steps.
   */
  readonly waiting: number | undefined;
}

/**
 * Runs a run's remaining steps, changing its state in place. Finished when all are done or the
 * validation ran out of patience, not when the signal stopped it (a checkpoint is then written).
 * Throws PetalfaceError if training diverges (see {@link watchLoss}). A checkpoint holds weights
 * that a whole batch has already been computed with, to a loss in its usual range; so the last one
 * is good. Of several ranks all must call it; rank 0 writes, and decides when.
 */
export async function trainSteps(run: Run, context: TrainingContext): Promise<TrainingEnd> {
  const { options, folder, steps, validator, state, ranks } = run;
  const { signal } = context;
  const journal = ranks.rank === 0 ? openJournal(folder, options) : noJournal;
  const watch = watchLoss(options, { folder, classes: state.head?.classes ?? 0 });
  for (const record of run.history) if ("loss" in record) watch.add(record.step, record.loss, record.gradientNorm);
  let saved = performance.now();
  let writing = 0;
  const checkpoint = async (): Promise<void> => {
    const start = performance.now();
    await journal.flush();
    await requireSameWeights(ranks, state);
    await saveState(folder, state, ranks);
    saved = performance.now();
    writing = saved - start;
  };
  const checkpointDue = (): boolean =>
    watch.calm &&
    (options.checkpointSeconds === 0 ||
      performance.now() - saved > Math.max(options.checkpointSeconds * 1000, writing / checkpointShare));
  /**
   * Measures where it is time to. False if the signal stopped it; a resumed run then starts with
   * this validation.
   */
  const validate = async (): Promise<boolean> => {
    const { validation } = state;
    const every = {
      every: options.validateEvery,
      steps,
      batch: options.batch,
      images: epochOf(options, run.data.length),
    };
    if (validator === undefined || validation === undefined) return true;
    if (validation.last === state.step || !validationDue(state.step, every)) return true;
    let score: ValidationScore;
    try {
      // Ranks that stop at different moments would wait for each other: they stop after the next
      // step.
      const stop = ranks.count === 1 ? signal : undefined;
      score = await validator.evaluate(adapterOf(run.config, state), stop, ranks);
    } catch (error) {
      if (ranks.count > 1 || !signal?.aborted) throw error;
      if (watch.calm) await checkpoint();
      return false;
    }
    const record = noteValidation(validation, state.step, score, state);
    journal.add(record);
    context.onValidation?.(record);
    await checkpoint();
    return true;
  };
  const finished = (): boolean => state.step >= steps || outOfPatience(state.validation, options.patience);

  // A run that dies before its first half minute can be resumed too.
  const begun = state.step === 0 ? checkpoint() : Promise.resolve();
  begun.catch(() => undefined);
  // The engines are opened while it is synced, unless it is validated before, or ranks exchange
  // parts of it.
  if (validator !== undefined || ranks.count > 1) await begun;
  if (!(await validate())) return { finished: false, waiting: undefined };
  if (finished()) return { finished: true, waiting: undefined };
  await using engines = await openDuring(begun, openEngines(run, context));
  // Loading has held up that checkpoint: its time does not say how long one takes.
  writing = 0;
  const task = { ...run, ...engines, share: shareOf(options, ranks) };
  const clock = waitingClock();
  for await (const batch of prefetch(engines.batches, ahead)) {
    clock.arrived();
    const computed = await computeStep(task, state, batch);
    watch.add(batch.step + 1, computed.loss, computed.gradientNorm);
    const now = await agree(ranks, { save: state.step > 0 && checkpointDue(), stop: signal?.aborted === true });
    if (now.save) await checkpoint();
    const record = applyStep(task, state, computed);
    journal.add(record, clock.last());
    context.onStep?.(record);
    // A process that works by itself can also be stopped by whoever hears of the step.
    const stop = ranks.count === 1 ? signal?.aborted === true : now.stop;
    if (stop && state.step < steps) {
      if (watch.calm) await checkpoint();
      return { finished: false, waiting: clock.share() };
    }
    if (!(await validate())) return { finished: false, waiting: clock.share() };
    if (finished()) break;
    clock.asked();
  }
  if (!state.theta.every(Number.isFinite))
    throw new PetalfaceError(
      "PETAL_TRAINING_DIVERGED",
      `step ${state.step}: the weights are not finite; lower 'learningRate' (now ${options.learningRate}) and continue from the last checkpoint: petalface adapt 'resume' ${printArgument(folder)} 'learningRate=${options.learningRate / 4}'`,
    );
  await checkpoint();
  return { finished: true, waiting: clock.share() };
}

/** Waits for both; closes what was opened where the work failed. */
async function openDuring<T extends AsyncDisposable>(work: Promise<void>, opening: Promise<T>): Promise<T> {
  const [worked, opened] = await Promise.allSettled([work, opening]);
  if (opened.status === "rejected") throw worked.status === "rejected" ? worked.reason : opened.reason;
  if (worked.status === "fulfilled") return opened.value;
  await opened.value[Symbol.asyncDispose]();
  throw worked.reason;
}

/**
 * What the ranks do after a step: rank 0 says whether to save, and any of them may have been asked
 * to stop.
 */
async function agree(
  ranks: Ranks,
  own: { readonly save: boolean; readonly stop: boolean },
): Promise<{ readonly save: boolean; readonly stop: boolean }> {
  if (ranks.count === 1) return own;
  const all = await ranks.gather([Float32Array.of(Number(own.save), Number(own.stop))]);
  return { save: all[0]?.[0]?.[0] === 1, stop: all.some(([flags]) => flags?.[1] === 1) };
}

/**
 * Throws where the ranks no longer have the same weights: a machine that computes wrongly must not
 * spoil a run unseen.
 */
async function requireSameWeights(ranks: Ranks, { theta }: TrainingState): Promise<void> {
  if (ranks.count === 1) return;
  const bytes = new Uint8Array(theta.buffer, theta.byteOffset, theta.byteLength);
  await requireSame(ranks, { "set of weights": createHash("sha256").update(bytes).digest("hex") });
}

/** Of ranks that write nothing. */
const noJournal: Journal = { add: () => undefined, flush: async () => undefined };

/** The adapter that a state holds: of now, or of the best validation. */
export const adapterOf = (
  config: AdapterConfig,
  { theta, statistics }: Pick<TrainingState, "theta" | "statistics">,
): Adapter => ({
  config,
  theta,
  ...(config.batchNorm === "train" && { statistics }),
});

/** Saves a finished run's adapter. */
export const saveResult = (folder: string, backbone: Backbone, adapter: Adapter): Promise<void> =>
  saveAdapter(join(folder, "adapter"), backbone, adapter);
