import { adapterFiles, foundAdapter, isReferenceLowRank, saveFoundAdapter } from "../adapters/index.ts";
import {
  detectArchitecture,
  matchNetwork,
  networkFiles,
  parseArchitecture,
  preprocessingOf,
  printArchitecture,
  writeNetwork,
} from "../backbones/index.ts";
import { openCheckpoint } from "../checkpoints/index.ts";
import { PetalfaceError } from "../errors.ts";
import { parseNormalize } from "../models/index.ts";
import type { Calibration } from "../quality/index.ts";
import { claimOutputs } from "./outputs.ts";
import type { Surroundings } from "./surroundings.ts";

/** A checkpoint, and what to make of it. */
export interface ImportOptions {
  /** A file of torch.save or safetensors, or a Hugging Face folder. */
  readonly checkpoint: string;
  /** `NAME[:key=value,...]` of the network; `auto`: the tensors' shapes determine it. */
  readonly arch: string;
  /** The .onnx file to write. */
  readonly out: string;
  /** Folder for the adapter in the checkpoint, which is left out unless given. */
  readonly adapterOut?: string | undefined;
  /** Normalisation `MEAN,SCALE` of the input; that of the network's authors unless given. */
  readonly normalize?: string | undefined;
  /** Where the adapter's alpha comes from. */
  readonly calibration: Calibration;
}

/** What was imported. */
export interface Imported {
  readonly out: string;
  /** File of the weights, where they do not fit into the model's. */
  readonly weights?: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly bytes: number;
  readonly preprocessing: ReturnType<typeof preprocessingOf>;
  readonly adapter: ImportedAdapter | null;
  /** What was assumed or left out. */
  readonly notes: readonly string[];
}

/** An adapter that was found in a checkpoint and saved. */
export interface ImportedAdapter {
  readonly out: string;
  readonly layers: number;
  readonly gate: string;
  readonly rank: number;
  readonly scale: number;
  readonly parameters: number;
}

/**
 * Writes a PyTorch checkpoint of a known network as ONNX, and the adapter in it as ours:
 * `petalface import`. Throws PetalfaceError; nothing is written then.
 */
export async function importCheckpoint(options: ImportOptions, surroundings: Surroundings): Promise<Imported> {
  const { arch, out, adapterOut, normalize, calibration } = options;
  if (!/\.onnx$/i.test(out)) throw new PetalfaceError("PETAL_OPTION_INVALID", `'out' ${out} does not end in .onnx`);
  const given = arch === "auto" ? undefined : parseArchitecture(arch);
  const checkpoint = await openCheckpoint(options.checkpoint);
  const spec = given ?? parseArchitecture(detectArchitecture(checkpoint));
  const matched = matchNetwork(checkpoint, spec.architecture, isReferenceLowRank);
  const { scale, rank } = spec;
  const adapter = await foundAdapter(matched, { scale, ...(rank !== undefined && { rank }), calibration });
  if (adapter === undefined && (adapterOut !== undefined || rank !== undefined))
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${options.checkpoint}: it holds no adapter; leave out 'adapterOut' and rank=`,
    );
  const preprocessing = { ...preprocessingOf(spec), ...(normalize !== undefined && parseNormalize(normalize)) };
  const notes = [...matched.notes];
  if (given === undefined) {
    notes.unshift(`the shapes are those of ${printArchitecture(spec.architecture)}`);
    if (spec.architecture.family === "ir")
      notes.push("the input is RGB; weights of AdaFace's own release need 'arch=adaface_ir_50' or similar");
  }
  if (adapter !== undefined && adapterOut === undefined)
    notes.push("the checkpoint holds an adapter, which is left out; 'adapterOut' keeps it in a folder");

  await using _outputs = await claimOutputs(
    [...networkFiles(matched, out), ...(adapter && adapterOut ? adapterFiles(adapterOut) : [])],
    surroundings,
    { inputs: checkpoint.files.keys() },
  );
  const progress = surroundings.progress("converting", megabytes(numbersOf(matched.tensors) * 4), "MB");
  const written = await writeNetwork(matched, out, {
    preprocessing,
    signal: surroundings.signal,
    progress: (done) => progress.update(megabytes(done)),
  }).finally(() => progress.close());
  if (adapter !== undefined && adapterOut !== undefined) await saveFoundAdapter(adapterOut, adapter, out);
  for (const note of notes) surroundings.note(`note: ${note}`);

  const parameters = [...matched.tensors].filter(([name]) => !/\.running_(?:mean|var)$/.test(name));
  return {
    out: written.model,
    ...(written.weights !== undefined && { weights: written.weights }),
    architecture: printArchitecture(spec.architecture),
    parameters: numbersOf(parameters),
    bytes: written.bytes,
    preprocessing,
    adapter: adapter === undefined || adapterOut === undefined ? null : summaryOf(adapter, adapterOut),
    notes,
  };
}

function summaryOf(
  { config, theta }: NonNullable<Awaited<ReturnType<typeof foundAdapter>>>,
  out: string,
): ImportedAdapter {
  const { sites, gate, rank, scale } = config;
  return { out, layers: sites.length, gate, rank, scale, parameters: theta.length };
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

const numbersOf = (tensors: Iterable<readonly [string, { readonly elements: number }]>): number =>
  [...tensors].reduce((sum, [, { elements }]) => sum + elements, 0);
