import { type DegradationSpec, parseDegradation } from "../../images/portable.ts";
import type { TrainingOptions } from "./options.ts";

/** What degraded training faces are drawn from; undefined: `lrPixels`. */
export const degradationOf = ({ degrade }: Pick<TrainingOptions, "degrade">): DegradationSpec | undefined =>
  degrade === "lr" ? undefined : parseDegradation(degrade);
