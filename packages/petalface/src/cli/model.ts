import { availableParallelism } from "node:os";
import { type Command, Option } from "commander";
import { type Adapter, adaptedModel, loadAdapter } from "../adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone } from "../backbones/index.ts";
import { type Provider, providerNames } from "../runtime/index.ts";
import { parseInteger } from "./options.ts";

/** Options of every command that embeds faces. */
export interface ModelFlags {
  readonly model: string;
  readonly normalize?: string;
  readonly adapter?: string;
  readonly provider: (typeof providerNames)[number];
  readonly threads?: number;
  readonly fast?: boolean;
}

/** Where and how to compute. */
export interface Engine {
  readonly provider: Provider;
  readonly threads: number;
  /** With `--fast`. */
  readonly optimisation?: "free";
}

/** Adds `--provider`, `--threads` and `--fast`. */
export function withEngineOptions(command: Command): Command {
  return command
    .addOption(new Option("--provider <name>", "where to compute").choices(providerNames).default("auto"))
    .option("--threads <n>", "threads of the engine; all cores unless given", parseInteger("--threads", 1, 1024))
    .option(
      "--fast",
      "faster on convolutional networks, equal to rounding: an adapter then leaves sharp faces as they were to about 1e-5, and not to the bit",
    );
}

/** Adds `--model`, `--normalize`, `--adapter` and what {@link withEngineOptions} adds. */
export function withModelOptions(command: Command): Command {
  command
    .requiredOption("--model <file|name>", "the face recogniser (.onnx, or a name that `petalface models` lists)")
    .option("--normalize <mean,scale>", "how pixels become the input, (x - mean) * scale, if the file does not say")
    .option("--adapter <run>", "a run of `petalface adapt`, or its adapter folder; the frozen model unless given");
  return withEngineOptions(command);
}

/** What `--provider`, `--threads` and `--fast` ask for. `auto` is the CPU, where the same threads give the same bits. */
export function engineOf(flags: Pick<ModelFlags, "provider" | "threads" | "fast">): Engine {
  return {
    provider: flags.provider === "auto" ? "cpu" : flags.provider,
    threads: flags.threads ?? availableParallelism(),
    ...(flags.fast && { optimisation: "free" }),
  };
}

/** A frozen model, the adapter on it if there is one, and what embeds: the adapted model, else the frozen one. */
export interface OpenedModel {
  readonly backbone: Backbone;
  readonly adapter?: Adapter;
  readonly model: EmbeddingModel;
}

/** The frozen model that the flags name, and the adapter on it where they name one. */
export async function openModel(flags: Pick<ModelFlags, "model" | "normalize" | "adapter">): Promise<OpenedModel> {
  const backbone = await openBackbone(flags.model, flags.normalize);
  if (flags.adapter === undefined) return { backbone, model: backbone };
  const adapter = await loadAdapter(flags.adapter, backbone);
  return { backbone, adapter, model: adaptedModel(backbone, adapter) };
}
