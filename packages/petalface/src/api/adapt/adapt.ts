import { availableParallelism } from "node:os";
import { type FaceData, inMemory } from "../../data/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { ModelChoices } from "../../models/index.ts";
import { isGiven } from "../../quality/index.ts";
import { alone, fromFirst, type Ranks, together } from "../../ranks.ts";
import type { providerNames } from "../../runtime/index.ts";
import {
  type AdaptContext,
  type AdaptResult,
  choicesAmong,
  type ResumeChanges,
  readRun,
  requireEmpty,
  resume as resumeRun,
  adapt as startRun,
  type TrainingChoices,
  trainingOptions,
  type ValidationRequest,
} from "../../training/index.ts";
import { type alignedChoices, mayBePhotos } from "../align/aligned-choices.ts";
import { type Faces, type LeftOutOptions, noteLeftOut, openFaces } from "../data.ts";
import { choicesOf } from "../model.ts";
import { type CallOptions, type Progress, type Surroundings, surroundingsOf } from "../surroundings.ts";
import { newRunOptions, requireKnown, resumedRunOptions } from "./known-options.ts";
import type { TrainingPhotos } from "./training-faces.ts";

/** What surrounds training without changing its result (but for the number of threads). */
export interface TrainingSurroundings
  extends CallOptions,
    LeftOutOptions,
    Pick<AdaptContext, "threads" | "prefixBytes" | "onStart" | "onStep" | "onValidation"> {
  /**
   * The processes that train together, where several do ({@link openRanks}); all of them make the
   * same call.
   */
  readonly ranks?: Ranks | undefined;
  /** Where to compute; `auto` unless given, which is the CPU. */
  readonly provider?: (typeof providerNames)[number] | undefined;
}

/**
 * A new run: the model, its training faces, the folder it goes to, and any option of training
 * (docs/options.md).
 */
export interface AdaptOptions extends ModelChoices, TrainingChoices, TrainingSurroundings {
  /** The face recogniser: a path of an `.onnx` file, or a name that `petalface models` lists. */
  readonly model: string;
  /** The training faces. */
  readonly train: Faces;
  /** Folder of the new run. */
  readonly out: string;
  /**
   * A run or adapter folder whose weights training starts from; method, gate, rank and layers are
   * then its own.
   */
  readonly init?: string | undefined;
  /**
   * Unlabelled crops of the camera: once trained, the adapter is centred on them
   * (docs/training.md).
   */
  readonly camera?: string | undefined;
  /**
   * Whether the training photos are aligned faces; other photos are aligned first. `auto` unless
   * given: it is found out.
   */
  readonly aligned?: (typeof alignedChoices)[number] | undefined;
  /**
   * Protocol to validate on now and then, and to choose the best adapter by: a pairs file,
   * `drawn[:...]`, or faces.
   */
  readonly val?: string | undefined;
  /** The faces that `val` names. */
  readonly valData?: string | undefined;
  /** Low resolutions to validate at, in pixels; 16 unless given. */
  readonly valPixels?: readonly number[] | undefined;
  /**
   * Time for the whole call, instead of `epochs`: a few steps are timed first, and the number of
   * epochs that fits is noted and part of the run. Validations take further time.
   */
  readonly minutes?: number | undefined;
}

/** A run to go on with, and what may change. */
export interface ResumeOptions extends Omit<ResumeChanges, "train">, TrainingSurroundings {
  /** Folder of the run. */
  readonly run: string;
  /** The training faces, where they are elsewhere now, or were images in memory. */
  readonly train?: Faces | undefined;
}

/** The end of a training call: done, or stopped by the signal with a checkpoint. */
export interface AdaptedRun extends AdaptResult {
  /** Folder of the run. {@link openModel} takes it as `adapter`. */
  readonly folder: string;
}

/**
 * Trains an adapter into a new run folder: `petalface adapt`. Whatever stops it, the folder keeps
 * the last good checkpoint, and {@link resume} continues from there.
 *
 * @throws PetalfaceError for whatever the caller can fix, also where an option is unknown
 */
export const adapt = (options: AdaptOptions): Promise<AdaptedRun> => adaptIn(options, surroundingsOf(options));

/**
 * Continues a run from its last checkpoint, or trains it longer (`epochs`):
 * `petalface adapt --resume`. On the same machine with the same threads the result has the same
 * bits as an uninterrupted run.
 *
 * @throws PetalfaceError if the model, the data or the validation protocol are not those that the
 * run was started with
 */
export const resume = (options: ResumeOptions): Promise<AdaptedRun> => resumeIn(options, surroundingsOf(options));

/** As {@link adapt}, in given surroundings. */
export async function adaptIn(given: AdaptOptions, surroundings: Surroundings): Promise<AdaptedRun> {
  const { model, train, out, init, camera, aligned = "auto", threads = availableParallelism(), mostLeftOut } = given;
  const { choices, others } = choicesAmong(given);
  requireKnown(others, newRunOptions);
  checkMinutes(given);
  const validation = validationOf(given, choices);
  // Before photos are aligned for hours.
  trainingOptions(choices, undefined, given.ranks?.count);
  const external = isGiven(choices.quality ?? "");
  const photos = { ...choicesOf(given), model, out, aligned, threads, mostLeftOut, external };
  const ranks = given.ranks ?? alone;
  const data =
    typeof train === "string"
      ? await sharedFaces({ ...photos, train }, ranks, surroundings)
      : await openFaces(train, given, surroundings);
  const request = {
    ...choicesOf(given),
    model,
    train: data?.spec ?? String(train),
    options: choices,
    out,
    init,
    camera,
    validation,
  };
  return trainWith(out, given, surroundings, async (bare) => {
    const context = data === undefined ? bare : { ...bare, data };
    if (given.minutes === undefined) return await startRun(request, context);
    // Before anything long begins.
    await requireEmpty(out);
    const { timeSteps, planSteps } = await import("./minutes.ts");
    surroundings.note("timing a few training steps");
    const { pace, record } = await timeSteps(request, context);
    const { epochs, plan, lines } = planSteps(given.minutes, pace, record);
    for (const line of lines) surroundings.note(line);
    return await startRun({ ...request, plan, options: { ...choices, epochs } }, context);
  });
}

/** Throws PetalfaceError (wrong usage) where the minutes of a run cannot be kept. */
function checkMinutes({ minutes, epochs, ranks }: AdaptOptions): void {
  if (minutes === undefined) return;
  const wrong = (text: string): PetalfaceError => new PetalfaceError("PETAL_OPTION_INVALID", text);
  if (!(minutes > 0 && minutes <= mostMinutes))
    throw wrong(`'minutes' is a number above 0, at most ${mostMinutes}, not ${minutes}`);
  if (epochs !== undefined) throw wrong("give 'minutes' or 'epochs', not both");
  if ((ranks?.count ?? 1) > 1)
    throw wrong("'minutes' is for one process: the ranks of a run would plan different lengths; give 'epochs'");
}

/** As {@link resume}, in given surroundings. */
export async function resumeIn(given: ResumeOptions, surroundings: Surroundings): Promise<AdaptedRun> {
  const { run, train, learningRate, epochs, model, val, valData } = given;
  requireKnown(given, resumedRunOptions);
  const data =
    train === undefined || typeof train === "string" ? undefined : await openFaces(train, given, surroundings);
  if (train === undefined && (await readRun(run)).data.spec === inMemory)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `${run} was started with images in memory; give them again as 'train'`,
    );
  const changes: ResumeChanges = {
    learningRate,
    epochs,
    model,
    val,
    valData,
    train: typeof train === "string" ? train : undefined,
  };
  return trainWith(run, given, surroundings, (context) =>
    resumeRun(run, data === undefined ? context : { ...context, data }, changes),
  );
}

/**
 * The faces to train on. Of several ranks the first looks at them, and aligns photos where that is
 * needed; the others open what it found.
 */
async function sharedFaces(
  photos: TrainingPhotos,
  ranks: Ranks,
  surroundings: Surroundings,
): Promise<FaceData | undefined> {
  let own: FaceData | undefined;
  // Rank 0 alone decides: ranks that were given different faces must not wait for each other.
  const spec = await fromFirst(ranks, async () => {
    if (!mayBePhotos(photos.train, photos.aligned)) return null;
    const { trainingFaces } = await import("./training-faces.ts");
    own = await trainingFaces(photos, surroundings);
    return own?.spec ?? null;
  });
  return await together(ranks, async () =>
    ranks.rank === 0 || spec === null ? own : await openFaces(spec, photos, surroundings),
  );
}

/** Trains with progress. */
async function trainWith(
  folder: string,
  { threads, prefixBytes, provider = "auto", mostLeftOut, ranks, onStart, onStep, onValidation }: TrainingSurroundings,
  surroundings: Surroundings,
  work: (context: AdaptContext) => Promise<AdaptResult>,
): Promise<AdaptedRun> {
  let progress: Progress | undefined;
  let result: AdaptResult;
  try {
    result = await work({
      threads,
      prefixBytes,
      mostLeftOut,
      ranks,
      onValidation,
      signal: surroundings.signal,
      provider: provider === "auto" ? "cpu" : provider,
      async openValidator(...asked) {
        // Loads the evaluation, which a run without --val does not need.
        const { openAnyValidator } = await import("./validation.ts");
        return await openAnyValidator(mostLeftOut, surroundings)(...asked);
      },
      onStart(record, first) {
        onStart?.(record, first);
        const { batch } = record.options;
        progress = surroundings.progress("training", record.steps * batch, "images", first * batch);
        progress.update(first * batch);
      },
      onStep(step, record) {
        progress?.update(step.step * record.options.batch, `loss ${step.loss.toFixed(3)}`);
        onStep?.(step, record);
      },
    });
  } finally {
    progress?.close();
  }
  noteLeftOut(result.leftOut, surroundings);
  return { ...result, folder };
}

/** The validation that options ask for; undefined where none is. */
function validationOf(
  { val, valData, valPixels }: Pick<AdaptOptions, "val" | "valData" | "valPixels">,
  { validateEvery, patience }: TrainingChoices,
): ValidationRequest | undefined {
  if (val !== undefined) return { protocol: val, data: valData, pixels: valPixels ?? [16] };
  if (valData ?? valPixels ?? validateEvery ?? patience)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      "'valData', 'valPixels', 'validateEvery' and 'patience' need 'val'",
    );
  return undefined;
}

/** Ten weeks. */
const mostMinutes = 100_000;
