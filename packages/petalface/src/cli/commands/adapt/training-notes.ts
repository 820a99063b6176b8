import { measuredLengths, printExpected } from "../../../api/adapt/expected.ts";
import { printArgument } from "../../../print-path.ts";
import { leastResolutionSize } from "../../../quality/index.ts";
import type { RunRecord } from "../../../training/index.ts";

const count = (value: number): string => value.toLocaleString("en");

/**
 * Lines for people before the first step: a default number of epochs, and a run that continues
 * longer than planned.
 */
export function startNotes(
  run: RunRecord,
  flags: {
    readonly epochs?: number | undefined;
    readonly minutes?: number | undefined;
    readonly resume?: string | undefined;
    readonly quality?: string | undefined;
  },
): string[] {
  const { epochs, batch } = run.options;
  if (flags.resume !== undefined) {
    const change = run.changes?.at(-1);
    return flags.epochs !== undefined && change?.epochs === epochs ? [longerNote(run, change)] : [];
  }
  const small = smallInputNote(run, flags.quality);
  if (flags.epochs !== undefined || flags.minutes !== undefined) return small;
  const seen = run.steps * batch;
  const shortest = Math.min(...measuredLengths.map(({ images }) => images));
  const enough = Math.ceil(shortest / run.data.images);
  const more = seen < shortest ? `; --epochs ${enough} gives ${count(shortest)}` : "";
  const planned = `${epochs} epochs by default: ${count(seen)} training images${more}`;
  return [...small, planned, printExpected(seen, run.options)];
}

/** Where the default judge of faces is another one because the network's input is small. */
function smallInputNote({ options }: RunRecord, given: string | undefined): string[] {
  const byItself = options.preset === "petal" && (given === undefined || given === "auto");
  if (!byItself || options.quality !== "sharpness") return [];
  return [`alpha comes from sharpness: inputs below ${leastResolutionSize} px are too small for --quality resolution`];
}

function longerNote({ steps }: RunRecord, change: NonNullable<RunRecord["changes"]>[number]): string {
  const trained = `the run continues from step ${change.step} to ${steps}`;
  return change.asPlanned === true
    ? `${trained}, exactly as if the run had been planned this way`
    : `${trained}; a run planned this way would have used other learning rates (or validations) before, so the result differs`;
}

/** Lines for people after the last step: whether more training may help. */
export function endNotes(folder: string, run: RunRecord): string[] {
  const { result } = run;
  if (result === undefined || result.steps === 0 || result.best.step !== result.steps) return [];
  return [
    `validation was still improving at the end: the last value is the best one; train longer with petalface adapt --resume ${printArgument(folder)} --epochs ${2 * run.options.epochs}`,
  ];
}
