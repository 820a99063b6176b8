import { join } from "node:path";
import type { Adapter } from "../../adapters/index.ts";
import { joinSeen, type SeenFaces, type Unreadable } from "../../data/index.ts";
import { writeFileSafely } from "../../files.ts";
import { fromFirst } from "../../ranks.ts";
import { adapterOf, saveResult, trainSteps } from "../steps/trainer.ts";
import { centredResult } from "./camera.ts";
import { adapterCard, adapterCardFile } from "./card.ts";
import { prefixBytesOf } from "./parts.ts";
import { type AdaptRequest, prepare } from "./prepare.ts";
import type { RunRecord } from "./record.ts";
import { reopen } from "./reopen.ts";
import { writeRun } from "./run.ts";
import type { AdaptContext, ResumeChanges, Run } from "./types.ts";

export type { AdaptRequest } from "./prepare.ts";

/** The end of a training call: done, or interrupted with a checkpoint. */
export interface AdaptResult {
  readonly finished: boolean;
  readonly run: RunRecord;
  /** The trained adapter; with a validation protocol the best one. */
  readonly adapter: Adapter;
  /**
   * Training faces that were left out: they cannot be read, or the model has no finite embedding of
   * them. Others of their person or batch stand for them.
   */
  readonly leftOut: Unreadable;
  /** Faces that the validation left out; undefined where there are none, or no validation. */
  readonly validationLeftOut: Unreadable | undefined;
  /**
   * Share of this call's time between its first and last step that the engine waited for images;
   * undefined for fewer than two steps.
   */
  readonly waiting: number | undefined;
}

/**
 * Trains an adapter into a new run folder, which is locked meanwhile. Whatever stops it (a signal,
 * a kill, a full disk, a diverging loss), the folder keeps the last good checkpoint, and
 * {@link resume} continues from there. Throws PetalfaceError for errors that the user can fix.
 */
export async function adapt(request: AdaptRequest, context: AdaptContext = {}): Promise<AdaptResult> {
  await using run = await prepare(request, context);
  return await continueRun(run, context);
}

/**
 * Continues a run from its last checkpoint; on the same machine with the same threads the result
 * has the same bits as an uninterrupted run. Throws PetalfaceError if the model, the data or the
 * validation protocol are not those that the run was started with, or if another process is at work
 * on it.
 */
export async function resume(
  folder: string,
  context: AdaptContext = {},
  changes: ResumeChanges = {},
): Promise<AdaptResult> {
  await using run = await reopen(folder, context, changes);
  return await continueRun(run, context);
}

/** Takes the remaining steps of a run, and saves its adapter if these were all. */
async function continueRun(run: Run, context: AdaptContext): Promise<AdaptResult> {
  const { folder, record, state, config, backbone, ranks } = run;
  context.onStart?.(record, state.step);
  const { finished, waiting } = await trainSteps(run, {
    prefixBytes: prefixBytesOf(context),
    targetCache: context.targetCache,
    signal: context.signal,
    onStep: (step) => context.onStep?.(step, record),
    onValidation: (validation) => context.onValidation?.(validation, record),
  });
  const left = {
    leftOut: ranks.count === 1 ? run.loader.unreadable : await leftOutOfAll(run),
    validationLeftOut: run.validator?.leftOut?.(),
  };
  const best = state.validation?.best;
  const trained = adapterOf(config, (finished && best && state.validation) || state);
  if (!finished) return { finished, run: record, adapter: trained, waiting, ...left };
  let adapter = trained;
  const ended = await fromFirst(ranks, async () => {
    adapter = await centredResult(run, trained, context);
    await saveResult(folder, backbone, adapter);
    const result = best === undefined ? record : { ...record, result: { steps: state.step, best } };
    await writeFileSafely(join(folder, "adapter", adapterCardFile), adapterCard(result, adapter));
    if (best !== undefined) await writeRun(folder, result);
    return result;
  });
  return { finished, run: ended, adapter, waiting, ...left };
}

/** What any rank has left out: a face counts once, however many of them met it. */
async function leftOutOfAll({ ranks, data, loader }: Run): Promise<Unreadable> {
  const texts = await ranks.gatherTexts(JSON.stringify(loader.seen()));
  return joinSeen(
    data,
    texts.map((text) => JSON.parse(text) as SeenFaces),
  );
}
