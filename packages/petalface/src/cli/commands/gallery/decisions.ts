import { type Command, Option } from "commander";
import { alignedChoices } from "../../../api/align/aligned-choices.ts";
import type { ThresholdOptions } from "../../../api/gallery/thresholds.ts";
import type { SearchOptions } from "../../../cluster/index.ts";
import { PetalfaceError } from "../../../errors.ts";
import { defaultTemplateRule, gateDefaults, templateRules } from "../../../gallery/index.ts";
import { numeric } from "../../numbers.ts";
import { parseInteger } from "../../options.ts";

/** Options of every command that says who a face is. */
export type DecisionFlags = ThresholdOptions & Pick<SearchOptions, "margin" | "minAlpha" | "templates">;

/** `--templates`. */
const templatesOption = (): Option =>
  new Option("--templates <rule>", "how a person's faces answer: nearest one, mean, mean by quality")
    .choices(templateRules)
    .default(defaultTemplateRule);

/** `--aligned`. */
export const alignedOption = (): Option =>
  new Option("--aligned <yes|no|auto>", "whether the pictures are aligned faces; photos are aligned first")
    .choices(alignedChoices)
    .default("auto");

/** Adds how certain a match must be: {@link DecisionFlags} but `minAlpha`. */
export const withThresholdOptions = (command: Command): Command =>
  command
    .option("--threshold <cosine>", "what the cosine of a match exceeds, whatever the quality", numeric)
    .option(
      "--thresholds <file.json>",
      "thresholds by alpha, such as `threshold --out` writes; the gallery's, or estimated, unless given",
    )
    .option(
      "--rate <share>",
      "false-positive identification rate for which thresholds are estimated on the gallery",
      numeric,
      0.01,
    )
    .option("--margin <cosine>", "by how much the second person must be farther away", numeric, 0.02)
    .addOption(templatesOption());

/** Adds {@link DecisionFlags}. */
export const withDecisionOptions = (command: Command): Command =>
  withThresholdOptions(command).option("--min-alpha <share>", "quality below which a face is unusable", numeric, 0);

/** Adds what the gate refuses: `--min-alpha` and `--min-side`. */
export const withGateOptions = (command: Command): Command =>
  command
    .option("--min-alpha <share>", "quality below which a face is not enrolled", numeric, gateDefaults.alpha)
    .option(
      "--min-side <pixels>",
      "side below which a picture is not enrolled",
      parseInteger("--min-side", 1, 1024),
      gateDefaults.side,
    );

/** Refuses thresholds that contradict each other. Throws PetalfaceError (wrong usage). */
export function checkDecisions({ threshold, thresholds, rate }: DecisionFlags): void {
  if (threshold !== undefined && thresholds !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", "give --threshold or --thresholds, not both");
  if (!(rate > 0 && rate <= 1))
    throw new PetalfaceError("PETAL_OPTION_INVALID", "--rate is a share above 0, at most 1");
}
