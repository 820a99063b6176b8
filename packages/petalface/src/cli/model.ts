import { availableParallelism } from "node:os";
import { type Command, Option } from "commander";
import { type Adapter, adaptedModel, adapterChoices, loadAdapter } from "../adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone } from "../backbones/index.ts";
import type { ModelChoices, Preprocessing } from "../models/index.ts";
import type { Calibration } from "../quality/index.ts";
import { type Provider, providerNames } from "../runtime/index.ts";
import { parseInteger } from "./options.ts";

/** Options of every command that embeds faces. */
export interface ModelFlags extends ModelChoices {
  readonly model: string;
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
    .addOption(
      new Option("--provider <name>", "execution provider that computes").choices(providerNames).default("auto"),
    )
    .option("--threads <n>", "threads of the engine; all cores unless given", parseInteger("--threads", 1, 1024))
    .option(
      "--fast",
      "faster on convolutional networks, equal up to rounding: embeddings of sharp faces then stay equal to about 1e-5, not bit for bit",
    );
}

/** Adds what a model's file may not say of itself: `--normalize`, `--channels`, `--size` and `--output`. */
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

/** What {@link withModelChoices} was given. */
export const choicesOf = ({ normalize, channels, size, output }: ModelChoices): ModelChoices => ({
  normalize,
  channels,
  size,
  output,
});

/** Adds `--model`, `--adapter` and what {@link withModelChoices} and {@link withEngineOptions} add. */
export function withModelOptions(command: Command): Command {
  command.requiredOption("--model <file|name>", "the face recogniser (.onnx, or a name that `petalface models` lists)");
  withModelChoices(command).option(
    "--adapter <run>",
    "a run of `petalface adapt`, or its adapter folder; the frozen model unless given",
  );
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
  /** How a frozen model gives alpha, where it does. */
  readonly judge?: Calibration;
}

/**
 * The frozen model that the flags name. What they leave open of it is taken from the adapter, where they name one: it is fed as in training.
 */
export async function openFrozen(
  flags: ModelChoices & { readonly model: string; readonly adapter?: string | undefined },
): Promise<Backbone> {
  const trained = flags.adapter === undefined ? {} : await adapterChoices(flags.adapter);
  const given = Object.entries(choicesOf(flags)).filter(([, value]) => value !== undefined);
  return openBackbone(flags.model, { ...trained, ...Object.fromEntries(given) });
}

/** What to know of a preprocessing that nothing says: it is this one, and how to check it. */
export const assumedNote = ({ spec, path }: { readonly path: string; readonly spec: Preprocessing }): string =>
  `${path} does not say how pixels become its input: assuming (x - ${spec.mean[0]}) * ${Number(spec.scale[0].toPrecision(6))}, ${spec.channels.toUpperCase()}; to check: petalface inspect FACES --model ${path}`;

/** The frozen model that the flags name, and the adapter on it where they name one. */
export async function openModel(
  flags: ModelChoices & { readonly model: string; readonly adapter?: string | undefined },
): Promise<OpenedModel> {
  const backbone = await openFrozen(flags);
  if (flags.adapter === undefined) return { backbone, model: backbone };
  const adapter = await loadAdapter(flags.adapter, backbone);
  return { backbone, adapter, model: adaptedModel(backbone, adapter) };
}
