import { join } from "node:path";
import { PetalfaceError } from "../../errors.ts";
import { removeUnfinished } from "../../files.ts";
import { lockRun } from "../../lock.ts";
import { isGiven, mapMeasureFiles, openMeasure } from "../../quality/index.ts";
import { fromFirst, requireSame, together } from "../../ranks.ts";
import { withResources } from "../../resources.ts";
import { trainingOptions } from "../options/options.ts";
import { removePrefixes } from "../prefix/prefix.ts";
import { hasState } from "../state/checkpoint.ts";
import { firstState, stateShape } from "../state/first-state.ts";
import { initOf } from "../state/initial-adapter.ts";
import { loadShared } from "../state/share.ts";
import { refuseForRanks, requireAlike } from "./agreement.ts";
import { hashScores } from "./calibration.ts";
import { trainLonger } from "./longer.ts";
import { rewindMetrics } from "./metrics.ts";
import { openPlaced } from "./open-placed.ts";
import { openFaces, openValidator, partsOf, prefixBytesOf, ranksOf, sessionOptions } from "./parts.ts";
import { movedPlaces, placeNow } from "./places.ts";
import type { RunRecord } from "./record.ts";
import { readRun, writeRun } from "./run.ts";
import { rewindEvents } from "./tensorboard.ts";
import type { AdaptContext, ResumeChanges, Run } from "./types.ts";

/**
 * Opens a run of an earlier process at its last checkpoint. Of several ranks all must call it, as
 * many as there were or not; rank 0 reads and writes the run's folder, and the others need not see
 * it.
 */
export const reopen = (folder: string, context: AdaptContext, changes: ResumeChanges): Promise<Run> =>
  withResources(async (keep) => {
    const ranks = ranksOf(context);
    let run = await fromFirst(ranks, async () => {
      await readRun(folder);
      keep(await lockRun(folder));
      for (const part of ["", "checkpoint", "adapter"]) await removeUnfinished(join(folder, part), { all: true });
      await removePrefixes(folder);
      return await readRun(folder);
    });
    const { backbone, data, weights, scores } = await together(ranks, () => openOld(folder, run, context, changes));
    run = await fromFirst(ranks, async () => {
      const places = await movedPlaces(folder, run, changes);
      const moved = places === run.places ? run : { ...run, places };
      if (moved !== run) await writeRun(folder, moved);
      return moved;
    });
    const session = await sessionOptions({ ...context, threads: context.threads ?? run.machine.threads });
    refuseForRanks(run.options, ranks, false);
    const prefixBytes = prefixBytesOf(context);
    await requireAlike(ranks, { options: run.options, model: backbone.spec, data, scores, session, prefixBytes });
    const place = (text: string): Promise<string> => placeNow(folder, run.places, text);
    const asked = run.validation && {
      ...run.validation,
      protocol: changes.val ?? (await place(run.validation.protocol)),
      ...(run.validation.data !== undefined && { data: changes.valData ?? (await place(run.validation.data)) }),
    };
    const validator = keep(await together(ranks, () => openValidator(asked, backbone, session, context))).open;
    if (run.validation !== undefined && validator?.fingerprint !== run.validation.fingerprint)
      throw new PetalfaceError(
        "PETAL_RUN_MISMATCH",
        `${run.validation.protocol} is not the validation protocol that ${folder} was started with (its pairs or faces changed)`,
      );
    await requireSame(ranks, { "validation protocol": validator?.fingerprint ?? "" });
    const loader = keep(openFaces(backbone, data, session.threads, context));
    const open = { backbone, data, loader, session, validator, ranks };
    const parts = partsOf(run, weights, open);
    const state = (await fromFirst(ranks, () => hasState(folder)))
      ? await loadShared(folder, stateShape(parts), ranks)
      : await firstState(parts, context.signal, await together(ranks, () => initOf(run, backbone, place)));
    const history = await fromFirst(ranks, async () => {
      const kept = await rewindMetrics(folder, state.step, state.validation?.last ?? -1);
      await rewindEvents(folder, state.step);
      return kept;
    });
    run = await fromFirst(ranks, () => withRate(folder, run, state.step, changes.learningRate));
    if (changes.epochs !== undefined) run = await trainLonger(folder, run, state, changes.epochs, data.length, ranks);
    return { ...partsOf(run, weights, open), folder, record: run, state, history };
  });

/** What a run works with, where it is now: by every rank for itself. */
async function openOld(folder: string, run: RunRecord, context: AdaptContext, changes: ResumeChanges) {
  const { backbone, data } = await openPlaced(folder, run, context, changes);
  const place = (text: string): Promise<string> => placeNow(folder, run.places, text);
  const { name: judge, weights } = await openMeasure(await mapMeasureFiles(run.options.quality, place));
  const scores = isGiven(judge) ? hashScores(data) : undefined;
  if (scores !== run.data.scores)
    throw new PetalfaceError(
      "PETAL_RUN_MISMATCH",
      `the column quality of ${run.data.spec} is not that which ${folder} was started with`,
    );
  if (weights?.sha256 !== run.adapter.calibration.weights)
    throw new PetalfaceError(
      "PETAL_RUN_MISMATCH",
      `${run.options.quality} are not the weights of the quality measure that ${folder} was started with`,
    );
  return { backbone, data, weights, scores };
}

/** The run with another learning rate from here on, written down. */
async function withRate(
  folder: string,
  run: RunRecord,
  step: number,
  learningRate = run.options.learningRate,
): Promise<RunRecord> {
  if (learningRate === run.options.learningRate || step >= run.steps) return run;
  const made = [...(run.changes ?? []), { step, learningRate }];
  const changed = { ...run, options: trainingOptions({ ...run.options, learningRate }), changes: made };
  await writeRun(folder, changed);
  return changed;
}
