import { join } from "node:path";
import { PetalfaceError } from "../../errors.ts";
import { makeTemporary } from "../../temporary.ts";
import {
  type AdaptContext,
  type AdaptRequest,
  epochsOfSteps,
  optionTable,
  type RunPlan,
  type RunRecord,
  adapt as startRun,
} from "../../training/index.ts";
import { expectedOf, printExpected } from "./expected.ts";

/** How long the parts of a training run take on this machine. */
export interface TrainingPace {
  /** Seconds of a step. */
  readonly step: number;
  /** Seconds from the call to the first step. */
  readonly start: number;
  /** Seconds that finding this out took. */
  readonly spent: number;
}

/** A run's length, as it fits into the minutes. */
export interface TrainingPlan {
  readonly steps: number;
  /** As `epochs` takes it: a run with this number has exactly these steps. */
  readonly epochs: number;
  /** For the run's record. */
  readonly plan: RunPlan;
  /** Lines for people: the plan, and what to expect of such a run. */
  readonly lines: readonly string[];
}

/** Steps that are timed, after the first one, and seconds after which fewer are enough. */
const timed = { steps: 10, seconds: 15 } as const;

/**
 * Times the first steps of a run that is thrown away: with the same options and the same faces, and
 * without validation.
 *
 * @param now the time in milliseconds; another clock in tests
 * @throws PetalfaceError for whatever the run itself would refuse
 */
export async function timeSteps(
  request: AdaptRequest,
  context: AdaptContext,
  now: () => number = () => performance.now(),
): Promise<{ readonly pace: TrainingPace; readonly record: RunRecord }> {
  const temporary = await makeTemporary();
  const enough = new AbortController();
  const begin = now();
  const times: number[] = [];
  try {
    const { validateEvery: _, patience: __, ...options } = request.options;
    const { run } = await startRun(
      {
        ...request,
        out: join(temporary.path, "trial"),
        validation: undefined,
        camera: undefined,
        options: { ...options, checkpointSeconds: 1e6, tensorboard: false },
      },
      {
        ...context,
        onStart: undefined,
        onValidation: undefined,
        openValidator: undefined,
        signal: context.signal === undefined ? enough.signal : AbortSignal.any([context.signal, enough.signal]),
        onStep() {
          times.push(now());
          const seconds = (now() - (times[0] ?? begin)) / 1000;
          if (times.length > timed.steps || (times.length > 1 && seconds >= timed.seconds)) enough.abort();
        },
      },
    );
    context.signal?.throwIfAborted();
    const [first = begin] = times;
    const last = times.at(-1) ?? begin;
    // A run of one step has no second one to compare with.
    const step = times.length > 1 ? (last - first) / (times.length - 1) / 1000 : (first - begin) / 1000;
    const start = Math.max(0, (first - begin) / 1000 - step);
    return { pace: { step, start, spent: (now() - begin) / 1000 }, record: run };
  } finally {
    temporary.remove();
  }
}

/**
 * The longest run that ends within so many minutes from now, as far as its pace says: at least one
 * step.
 *
 * @param minutes for everything: finding out the pace, the run's start, and its steps
 * @throws PetalfaceError where the number of epochs is one that `epochs` does not take
 */
export function planSteps(
  minutes: number,
  { step, start, spent }: TrainingPace,
  { options, data: { images } }: Pick<RunRecord, "options"> & { readonly data: { readonly images: number } },
): TrainingPlan {
  const left = 60 * minutes - spent - start;
  const steps = Math.max(1, Math.floor(left / Math.max(step, 1e-6)));
  const epochs = epochsOfSteps(options, images, steps);
  const complaint = epochs === undefined ? "is another number" : optionTable.epochs.check(epochs);
  if (epochs === undefined || complaint !== undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `'minutes=${minutes}' makes ${steps} steps over ${images} faces, and 'epochs' ${complaint}; give 'epochs' instead`,
    );
  const seen = steps * options.batch;
  const count = (value: number): string => value.toLocaleString("en", { maximumFractionDigits: 0 });
  const imagesPerSecond = options.batch / step;
  const rate = imagesPerSecond.toLocaleString("en", { maximumSignificantDigits: 2 });
  const rank = options.method === "lora" || options.method === "dora" ? `rank ${options.rank}, ` : "";
  const short = left < step ? "; so few minutes leave time for one step alone" : "";
  return {
    steps,
    epochs,
    plan: { minutes, imagesPerSecond, expected: expectedOf(seen) },
    lines: [
      `planned for ${minutes} minutes at ${rate} images/s: ${count(steps)} steps, ${count(seen)} training images, ` +
        `${epochs.toPrecision(3)} epochs, ${rank}learning rate ${options.learningRate} ` +
        `(the same again: 'epochs=${epochs}')${short}`,
      printExpected(seen, options),
    ],
  };
}
