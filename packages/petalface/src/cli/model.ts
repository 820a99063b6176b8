import { type Command, Option } from "commander";
import type { ModelChoices } from "../models/index.ts";
import { providerNames } from "../runtime/index.ts";
import { parseInteger } from "./options.ts";

/** Options of every command that embeds faces. */
export interface ModelFlags extends ModelChoices {
  readonly model: string;
  readonly adapter?: string;
  readonly provider: (typeof providerNames)[number];
  readonly threads?: number;
  readonly fast?: boolean;
}

/** Adds `--provider`, `--threads` and `--fast`. */
export function withEngineOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--provider <name>", "execution provider that computes").choices(providerNames).default("auto"),
    )
    .option("--threads <n>", "threads of the engine; all cores unless given", parseInteger("--threads", 1, 1024))
    .option(
      "--fast",
      "faster on convolutional networks, equal up to rounding: embeddings of sharp faces then stay equal to about 1e-5, not bit for bit",
    );
}

/**
 * Adds what a model's file may not say of itself: `--normalize`, `--channels`, `--size` and
 * `--output`.
 */
export function withModelChoices(command: Command): Command {
  return command
    .option("--normalize <mean,scale>", "normalisation of the input, (x - mean) * scale, if the file does not state it")
    .addOption(
      new Option("--channels <order>", "order of the input's colour channels, if the file does not state it").choices([
        "rgb",
        "bgr",
      ]),
    )
    .option("--size <pixels>", "side of the model's input, if its file leaves it open", parseInteger("--size", 8, 4096))
    .option("--output <name>", "the model's output that is the embedding, if there are several");
}

/**
 * Adds `--model`, `--adapter` and what {@link withModelChoices} and {@link withEngineOptions} add.
 */
export function withModelOptions(command: Command): Command {
  command.requiredOption("--model <file|name>", "the face recogniser (.onnx, or a name that `petalface models` lists)");
  withModelChoices(command).option(
    "--adapter <run>",
    "a run of `petalface adapt`, or its adapter folder; the frozen model unless given",
  );
  return withEngineOptions(command);
}
