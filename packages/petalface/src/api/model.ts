import { availableParallelism } from "node:os";
import { type Adapter, adaptedModel, adapterChoices, loadAdapter } from "../adapters/index.ts";
import { type Backbone, type Embedder, type EmbeddingModel, openBackbone, openEmbedder } from "../backbones/index.ts";
import type { ModelChoices, Preprocessing } from "../models/index.ts";
import { printArgument } from "../print-path.ts";
import type { Calibration } from "../quality/index.ts";
import type { Keep } from "../resources.ts";
import type { Provider, providerNames } from "../runtime/index.ts";

/** Which model to open, and where it computes. */
export interface ModelOptions extends ModelChoices {
  /** The face recogniser: a path of an `.onnx` file, or a name that `petalface models` lists. */
  readonly model: string;
  /** A run of {@link adapt}, or its adapter folder; the frozen model unless given. */
  readonly adapter?: string | undefined;
  /**
   * Where to compute; `auto` unless given, which is the CPU, where the same threads give the same
   * bits.
   */
  readonly provider?: (typeof providerNames)[number] | undefined;
  /** Threads of the engine; all cores unless given. */
  readonly threads?: number | undefined;
  /**
   * Faster on convolutional networks, and equal to rounding: an adapter then changes sharp faces by
   * about 1e-5. False unless given.
   */
  readonly fast?: boolean | undefined;
}

/** Where and how to compute. */
export interface Engine {
  readonly provider: Provider;
  readonly threads: number;
  /** With `fast`. */
  readonly optimisation?: "free";
}

/**
 * A frozen model, the adapter on it if there is one, and what embeds: the adapted model, else the
 * frozen one.
 */
export interface OpenedModel {
  readonly backbone: Backbone;
  readonly adapter?: Adapter;
  readonly model: EmbeddingModel;
  /** How a frozen model gives alpha, where it does. */
  readonly judge?: Calibration;
}

/**
 * An opened model that can embed faces. Dispose of it (`await using`) to free the memory of its
 * engine.
 */
export interface Model extends OpenedModel, AsyncDisposable {
  /** Side in pixels of the square input. */
  readonly size: number;
  /** Length of an embedding. */
  readonly width: number;
  readonly engine: Engine;
  /** The run or folder that its adapter is from. */
  readonly adapterFolder?: string | undefined;
  /** Loads the engine at the first call; later calls give the same one. */
  embedder(): Promise<Embedder>;
}

/** The model of a call: its options, or one that is open already and stays open. */
export interface GivenModel extends Omit<ModelOptions, "model"> {
  /**
   * A path, a name that `petalface models` lists, or a model from {@link openModel}, which brings
   * its own adapter and engine.
   */
  readonly model: string | Model;
}

/** Whether the model of a call has an adapter. */
export const isAdapted = ({ model, adapter }: Pick<GivenModel, "model" | "adapter">): boolean =>
  (typeof model === "string" ? adapter : model.adapter) !== undefined;

/** The choices on a model's file among other options. */
export const choicesOf = ({ normalize, channels, size, output }: ModelChoices): ModelChoices => ({
  normalize,
  channels,
  size,
  output,
});

/**
 * The engine that options ask for. `auto` is the CPU, where the same threads give the same bits.
 */
export function engineOf({ provider = "auto", threads, fast }: Omit<ModelOptions, "model">): Engine {
  return {
    provider: provider === "auto" ? "cpu" : provider,
    threads: threads ?? availableParallelism(),
    ...(fast && { optimisation: "free" }),
  };
}

/**
 * Opens a frozen model. What the options leave open of it is taken from the adapter, where they
 * name one: it is fed as in training.
 */
export async function openFrozen(
  options: Pick<ModelOptions, keyof ModelChoices | "model" | "adapter">,
): Promise<Backbone> {
  const trained = options.adapter === undefined ? {} : await adapterChoices(options.adapter);
  const given = Object.entries(choicesOf(options)).filter(([, value]) => value !== undefined);
  return openBackbone(options.model, { ...trained, ...Object.fromEntries(given) });
}

/** Says that a preprocessing was assumed, which one, and how to check it. */
export const assumedNote = ({ spec, path }: { readonly path: string; readonly spec: Preprocessing }): string =>
  `${path} does not say how pixels become its input: assuming (x - ${spec.mean[0]}) * ${Number(spec.scale[0].toPrecision(6))}, ${spec.channels.toUpperCase()}; to check: petalface inspect FACES 'model' ${printArgument(path)}`;

/**
 * Opens a face recogniser, with an adapter where one is named. The engine is loaded when it is
 * first needed.
 *
 * @throws PetalfaceError if the file is no face recogniser, or the adapter was trained on another
 * one
 */
export async function openModel(options: ModelOptions): Promise<Model> {
  const backbone = await openFrozen(options);
  const adapter = options.adapter === undefined ? undefined : await loadAdapter(options.adapter, backbone);
  return modelFrom(backbone, adapter, engineOf(options), options.adapter);
}

function modelFrom(backbone: Backbone, adapter: Adapter | undefined, engine: Engine, adapterFolder?: string): Model {
  const model = adapter === undefined ? backbone : adaptedModel(backbone, adapter);
  let loaded: Promise<Embedder> | undefined;
  return {
    backbone,
    ...(adapter && { adapter }),
    model,
    size: backbone.size,
    width: backbone.width,
    engine,
    adapterFolder,
    embedder() {
      loaded ??= openEmbedder(model, engine);
      return loaded;
    },
    async [Symbol.asyncDispose]() {
      const open = await loaded?.catch(() => undefined);
      loaded = undefined;
      await open?.close();
    },
  };
}

/** The model of a call; one that is opened for it is kept with the call's other resources. */
export async function modelOf({ model, ...options }: GivenModel, keep: Keep): Promise<Model> {
  return typeof model === "string" ? keep(await openModel({ ...options, model })) : model;
}
