import { PetalfaceError } from "../../errors.ts";
import { type LossName, marginOf } from "../losses/names.ts";
import { presetOptions, type TrainingOptions } from "./presets.ts";
import { looksAtBatch, optionRules } from "./rules.ts";
import { type OptionName, optionEntries, optionTable } from "./table.ts";

export type { TrainingOptions } from "./presets.ts";

/** Choices on top of a preset; what is left out or undefined is the preset's. */
export type TrainingChoices = { readonly [K in keyof TrainingOptions]?: TrainingOptions[K] | undefined };

/**
 * What SGD starts from instead of AdamW's numbers: insightface's recipe for margin softmax. Not
 * tuned here.
 */
const sgdDefaults = { learningRate: 0.1, weightDecay: 5e-4 };

/**
 * A preset with the user's own choices on top; checked. Throws PetalfaceError (wrong usage) for a
 * choice that is unknown, out of range, or does not go with another.
 * @param family of an imported network: the released code trains each in its own way, and so does
 * the preset `reference`
 * @param ranks processes that train together; the parts of a step are theirs
 */
export function trainingOptions(choices: TrainingChoices = {}, family?: string, ranks = 1): TrainingOptions {
  const given = Object.fromEntries(Object.entries(choices).filter(([, value]) => value !== undefined));
  checkEach(given);
  const preset = presetOptions(choices.preset ?? "petal", family);
  const base = {
    ...preset,
    ...(choices.method === "dora" && { gate: "single" as const }),
    ...(choices.optimizer === "sgd" && sgdDefaults),
    ...(onAngle(choices.loss ?? preset.loss) && { margin: 0.5 }),
    ...(choices.warmup !== undefined && { warmupEpochs: 0 }),
    // Low resolutions that are given are for shrinking.
    ...(choices.lrPixels !== undefined && { degrade: "lr" }),
  };
  const shareOfRate = sharesOfRate[choices.method ?? base.method] ?? 1;
  const options = { ...base, learningRate: shareOfRate * base.learningRate, ...given };
  const whole = options.preset === "reference" || looksAtBatch(options).length > 0;
  const chosen = "accumulate" in given ? options : { ...options, accumulate: defaultParts(options, whole, ranks) };
  for (const rule of optionRules) fail(rule(chosen));
  return chosen;
}

/**
 * Whole networks move far with the adapters' learning rate: the pre-trained knowledge is in these
 * weights, not in separate adapters. The share of `full` is the best of a search
 * (bench/results/rivals.md).
 */
const sharesOfRate: Readonly<Record<string, number>> = { full: 1 / 8, head: 1 / 2 };

/** The options of training among others, and the others. */
export function choicesAmong(options: object): {
  readonly choices: TrainingChoices;
  readonly others: Readonly<Record<string, unknown>>;
} {
  const isChoice = ([name]: readonly [string, unknown]): boolean => Object.hasOwn(optionTable, name);
  const entries = Object.entries(options);
  return {
    choices: Object.fromEntries(entries.filter(isChoice)),
    others: Object.fromEntries(entries.filter((entry) => !isChoice(entry))),
  };
}

/** Throws PetalfaceError (wrong usage) if a value of an option is not allowed. */
export function checkOption(name: OptionName, value: unknown): void {
  const complaint = optionTable[name].check(value);
  fail(complaint && `'${name}' ${complaint}`);
}

function checkEach(given: Readonly<Record<string, unknown>>): void {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(optionTable, name));
  fail(unknown && `there is no training option "${unknown}"`);
  for (const [name] of optionEntries) if (name in given) checkOption(name, given[name]);
}

function fail(complaint: string | undefined): void {
  if (complaint !== undefined) throw new PetalfaceError("PETAL_OPTION_INVALID", complaint);
}

/** Most and fewest images of a part that a batch is cut into by default. */
const partImages = { most: 8, fewest: 4 } as const;

/**
 * Parts that leave few images at once: what a convolutional network computes of eight faces stays
 * in the processor's caches. Against 32 at once a step is 1.2 times as fast and takes half the
 * memory (docs/speed.md).
 */
function fewImages(batch: number, ranks: number): number {
  for (let images = partImages.most; images >= partImages.fewest; images--)
    if (batch % images === 0 && (batch / images) % ranks === 0) return batch / images;
  return 1;
}

/** Parts of a step where the user gives none: of several ranks each must have as many. */
function defaultParts({ batch, accumulate }: TrainingOptions, whole: boolean, ranks: number): number {
  const usual = whole ? accumulate : fewImages(batch, ranks);
  if (ranks === 1 || (usual >= ranks && usual % ranks === 0)) return usual;
  if (batch % ranks !== 0)
    fail(`'batch=${batch}' cannot be divided among ${ranks} ranks: give a 'batch' that ${ranks} divides`);
  return ranks;
}

/**
 * The factor on the adapter's output that the options mean, rank counted over all parts of the
 * gate.
 */
export const adapterScale = (options: Pick<TrainingOptions, "scale" | "rank" | "rankStable">): number =>
  options.rankStable ? options.scale / Math.sqrt(options.rank) : options.scale;

/** Losses whose margin of 0.5 is on the angle. */
const onAngle = (loss: LossName): boolean => ["arcface", "curricularface"].includes(marginOf(loss) ?? "");
