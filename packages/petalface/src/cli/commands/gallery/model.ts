import type { Command } from "commander";
import type { ModelChoices } from "../../../models/index.ts";
import { type ModelFlags, withEngineOptions, withModelChoices } from "../../model.ts";

/** Options that name a model, which a gallery knows already. */
export interface GalleryModelFlags extends ModelChoices, Pick<ModelFlags, "provider" | "threads" | "fast"> {
  readonly model?: string;
  readonly adapter?: string;
}

/** Adds `--model`, `--adapter` and how to feed and compute; none of them is needed. */
export function withGalleryModel(command: Command): Command {
  command
    .option("--model <file|name>", "where the gallery's model is now; as when it was made unless given")
    .option("--adapter <run>", "where its adapter is now; as when it was made unless given");
  return withEngineOptions(withModelChoices(command));
}
