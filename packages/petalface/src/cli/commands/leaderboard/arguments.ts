import { isDeepStrictEqual } from "node:util";
import {
  flagOf,
  optionEntries,
  type RunRecord,
  type TrainingChoices,
  type TrainingOptions,
  trainingOptions,
} from "../../../training/index.ts";

/**
 * Few choices that give these options: one after the other, because a choice may bring others with
 * it, and some may not be given together then.
 */
function fewChoices(options: TrainingOptions, family: string | undefined): TrainingChoices {
  let choices: Record<string, unknown> = { preset: options.preset };
  for (;;) {
    const made = trainingOptions(choices, family);
    const wrong = optionEntries.find(([name]) => !(name in choices) && !isDeepStrictEqual(made[name], options[name]));
    if (wrong === undefined) return choices;
    choices = { ...choices, [wrong[0]]: options[wrong[0]] };
  }
}

/** A switch is a flag without a value; a list has commas. */
function wordsOf(flag: string, value: unknown): string[] {
  if (value === undefined) return [];
  if (typeof value !== "boolean") return [flag, Array.isArray(value) ? value.join(",") : String(value)];
  return value === flag.startsWith("--no-") ? [] : [flag];
}

/**
 * Arguments of `petalface` that make a run again: its model, faces, validation and every option
 * that is not the preset's. Places are those that the run was given.
 */
export function adaptArguments(record: RunRecord, out: string): string[] {
  const { model, data, options, validation, init, camera, machine } = record;
  const { preset, ...choices } = fewChoices(options, model.family);
  const entries = Object.entries(choices) as [keyof typeof choices, unknown][];
  return [
    ...["adapt", "--model", model.given, "--train", data.spec],
    ...(preset === "petal" || preset === undefined ? [] : ["--preset", preset]),
    ...entries.flatMap(([name, value]) => wordsOf(flagOf(name), value)),
    ...(model.normalize === undefined ? [] : ["--normalize", model.normalize]),
    ...(init === undefined ? [] : ["--init", init.given]),
    ...(camera === undefined ? [] : ["--camera", camera.given]),
    ...(validation === undefined ? [] : ["--val", validation.protocol, "--val-pixels", validation.pixels.join(",")]),
    ...(validation?.data === undefined ? [] : ["--val-data", validation.data]),
    ...["--threads", String(machine.threads), "--out", out],
  ];
}
