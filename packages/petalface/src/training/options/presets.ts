import { type OptionName, optionEntries, type optionTable, type presetNames } from "./table.ts";

/**
 * Every choice of a training run by its name in {@link optionTable}; stored whole in `run.json`.
 */
export type TrainingOptions = { readonly [Name in OptionName]: (typeof optionTable)[Name]["default"] };

/** Name of a preset. */
export type PresetName = (typeof presetNames)[number];

/**
 * All options as a preset has them.
 * @param family of an imported network: the released code trains each in its own way, and so does
 * the preset `reference`
 */
export function presetOptions(preset: PresetName, family?: string): TrainingOptions {
  const special = family === "vit" || family === "iresnet" ? family : undefined;
  const values = optionEntries.map(([name, { default: standard, extras }]) => {
    if (preset === "petal") return [name, standard];
    const own = preset === "reference" && special !== undefined ? extras[special] : undefined;
    return [name, own ?? extras[preset] ?? standard];
  });
  return Object.fromEntries(values) as TrainingOptions;
}

/**
 * What `petal` was before cameras were measured: plain shrinking, 32 images a step. The demo and
 * the tables that say so use it (docs/results.md).
 */
export const shrinkingRecipe = {
  loss: "distil",
  degrade: "lr",
  quality: "sharpness",
  rank: 16,
  learningRate: 4e-3,
  batch: 32,
} as const satisfies Partial<TrainingOptions>;
