import { presetNames, type TrainingOptions, trainingOptions } from "../../training/index.ts";

/** Where presets, and a run if there is one, differ: by option, what each has. */
export type PresetDifferences = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * The options in which the presets differ from each other or from a run.
 * @param family of the run's network, whose released recipe the preset `reference` is
 */
export function presetDifferences(run?: TrainingOptions, family?: string): PresetDifferences {
  const columns: [string, TrainingOptions][] = [
    ...(run === undefined ? [] : [run]).map((options): [string, TrainingOptions] => ["run", options]),
    ...presetNames.map((preset): [string, TrainingOptions] => [preset, trainingOptions({ preset }, family)]),
  ];
  const names = new Set(columns.flatMap(([, options]) => Object.keys(options) as (keyof TrainingOptions)[]));
  names.delete("preset");
  const rows = [...names].map((name) => {
    const values = columns.map(([column, options]) => [column, options[name] ?? null] as const);
    return { name, values, differs: new Set(values.map(([, value]) => JSON.stringify(value))).size > 1 };
  });
  return Object.fromEntries(
    rows.filter(({ differs }) => differs).map(({ name, values }) => [name, Object.fromEntries(values)]),
  );
}
