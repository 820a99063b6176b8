import { PetalfaceError } from "../../errors.ts";
import type { Ranks } from "../../ranks.ts";
import { learningRate } from "../optimiser/schedule.ts";
import { type TrainingOptions, trainingOptions } from "../options/options.ts";
import { saveState, type TrainingState } from "../state/checkpoint.ts";
import { epochOf, stepsOf } from "../steps/sampler.ts";
import type { RunRecord } from "./record.ts";
import { writeRun } from "./run.ts";
import { outOfPatience, validationDue } from "./validation.ts";

/**
 * Gives a run another number of epochs and writes that down. Patience that ran out in the shorter
 * run starts again. Of several ranks all must call it.
 *
 * @param length faces of the training set
 * @returns the run as it continues
 * @throws PetalfaceError where the run has done as many steps already
 */
export async function trainLonger(
  folder: string,
  run: RunRecord,
  state: TrainingState,
  epochs: number,
  length: number,
  ranks: Ranks,
): Promise<RunRecord> {
  const longer = withEpochs(run, state, epochs, length);
  if (longer === run) return run;
  if (state.validation !== undefined && outOfPatience(state.validation, run.options.patience)) {
    state.validation.waited = 0;
    await saveState(folder, state, ranks);
  }
  if (ranks.rank === 0) await writeRun(folder, longer);
  return longer;
}

/**
 * The run with another number of epochs, from its last checkpoint on. It has the bits of a run that
 * was planned so from the beginning where all that was done until now would have been the same, and
 * `run.json` says whether.
 *
 * @param length faces of the training set
 * @throws PetalfaceError where the run has done as many steps already
 */
function withEpochs(
  run: RunRecord,
  state: Pick<TrainingState, "step" | "validation">,
  epochs: number,
  length: number,
): RunRecord {
  const options = trainingOptions({ ...run.options, epochs });
  const steps = stepsOf(options, length);
  if (steps === run.steps) return run;
  if (steps <= state.step)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `the run has done ${state.step} steps, and 'epochs=${epochs}' makes ${steps}; give more epochs than ${run.options.epochs}`,
    );
  const asPlanned = isAsPlanned(run, { options, steps }, state, length);
  const change = { step: state.step, learningRate: options.learningRate, epochs, asPlanned };
  const { result: _, ...rest } = run;
  return { ...rest, options, steps, changes: [...(run.changes ?? []), change] };
}

/** Whether a run planned so from the beginning would have done the very same until here. */
function isAsPlanned(
  before: RunRecord,
  after: { readonly options: TrainingOptions; readonly steps: number },
  { step: done, validation }: Pick<TrainingState, "step" | "validation">,
  length: number,
): boolean {
  const each = epochOf(after.options, length) / after.options.batch;
  for (let step = 0; step < done; step++) {
    const [one, other] = [before, after].map(({ options, steps }) => learningRate(options, step, steps, each));
    if (one !== other) return false;
  }
  if (outOfPatience(validation, before.options.patience)) return false;
  if (validation === undefined || validation.last !== before.steps) return true;
  const { validateEvery: every, batch } = after.options;
  return validationDue(done, { every, steps: after.steps, batch, images: epochOf(after.options, length) });
}
