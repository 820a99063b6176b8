import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { type Constant, entryOf, type Graph, sizeOf } from "onnx-grad";
import {
  bufferNames,
  type Checkpoint,
  type CheckpointTensor,
  mapNames,
  readTensor,
  requireComplete,
  streamWeights,
  writeFloat32,
} from "../checkpoints/index.ts";
import { PetalfaceError } from "../errors.ts";
import { hashFile, type Preprocessing, preprocessingMetadata, weightsKey } from "../models/index.ts";
import { type Architecture, buildNetwork, printArchitecture } from "./architecture.ts";
import { fillNetwork, type Network } from "./networks/layers.ts";
import { writeModelFile } from "./write.ts";

/** Entry of a model's metadata that says which network it is, as `--arch` takes it. */
export const architectureKey = "petalface.architecture";

/** Names that a checkpoint of a family may have and that its network does not need. */
const unneeded: Readonly<Partial<Record<Architecture["family"], readonly RegExp[]>>> = {
  // AdaFace saves the head that it was trained with.
  ir: [/^head\./],
};

/**
 * Weights that only training needs. They are a few numbers, and lie in the model's metadata:
 * readers drop constants that no node takes.
 */
const optional = [/^mask_token$/];
const trainingKey = (name: string): string => `petalface.training.${name}`;

/**
 * A weight that only training needs, such as a vision transformer's `mask_token`, of an imported
 * model; undefined where it has none.
 */
export function trainingWeight(metadata: Graph["metadata"], name: string): Float32Array | undefined {
  const text = metadata.get(trainingKey(name));
  if (text === undefined) return undefined;
  const bytes = Uint8Array.from(Buffer.from(text, "base64"));
  return new Float32Array(bytes.buffer, 0, Math.floor(bytes.length / 4));
}

/** Bytes of weights that one ONNX file holds, with room for the rest. */
const largestFile = 2 ** 31 - 2 ** 26;

/** A checkpoint's tensors found for a network; nothing is written yet. */
export interface MatchedNetwork {
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
  readonly network: Network;
  /** By the network's names. */
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Tensors of an adapter in the same dictionary, by their names. */
  readonly adapter: ReadonlyMap<string, CheckpointTensor>;
  /** One line for each choice that was made. */
  readonly notes: readonly string[];
}

/**
 * Finds a network's weights in a checkpoint.
 *
 * @param isAdapter which of the other names belong to an adapter
 * @throws PetalfaceError that lists every tensor that is missing, of another shape or unexpected
 */
export function matchNetwork(
  checkpoint: Checkpoint,
  architecture: Architecture,
  isAdapter: (name: string) => boolean,
): MatchedNetwork {
  const network = buildNetwork(architecture);
  const ignore = [...bufferNames, ...(unneeded[architecture.family] ?? [])];
  const map = mapNames(checkpoint, network.tensors, { ignore, optional });
  const own = (name: string): string => name.slice(map.prefix.length);
  const isOurs = (name: string): boolean => name.startsWith(map.prefix) && isAdapter(own(name));
  requireComplete(
    { ...map, unexpected: map.unexpected.filter((name) => !isOurs(name)) },
    checkpoint,
    printArchitecture(architecture),
  );
  const group = checkpoint.groups.find(({ path }) => path === map.group);
  const adapter = new Map<string, CheckpointTensor>();
  for (const name of map.unexpected.filter(isOurs)) {
    const tensor = group?.tensors.get(name);
    if (tensor !== undefined) adapter.set(own(name), tensor);
  }
  const absent = [...network.tensors.keys()].filter((name) => !map.tensors.has(name));
  const notes = [...map.notes, ...absent.map((name) => `${name} is missing; only training needs it`)];
  return { checkpoint, architecture, network, tensors: map.tensors, adapter, notes };
}

/** Options of {@link writeNetwork}. */
export interface WriteNetworkOptions {
  /** How the network wants its faces. */
  readonly preprocessing: Preprocessing;
  readonly signal?: AbortSignal;
  /** Called from time to time with the bytes written and the bytes in all. */
  readonly progress?: (written: number, total: number) => void;
  /**
   * Weights of so many bytes and more get a file of their own; what one ONNX file holds unless
   * given.
   */
  readonly apart?: number;
}

/** The files that {@link writeNetwork} wrote. */
export interface WrittenNetwork {
  readonly model: string;
  /** Where the weights are if not inside the model. */
  readonly weights?: string;
  /** Bytes of the weights. */
  readonly bytes: number;
}

/**
 * Writes a matched network as one ONNX file, the weights streamed from the checkpoint a few
 * megabytes at a time. Weights of 2 GiB and more, which one file cannot hold, go to
 * `MODEL.safetensors` next to it. Written completely or not at all.
 *
 * @throws PetalfaceError where the checkpoint is damaged, has changed, or holds weights that are
 * not finite
 */
export async function writeNetwork(
  matched: MatchedNetwork,
  path: string,
  options: WriteNetworkOptions,
): Promise<WrittenNetwork> {
  const { checkpoint, tensors, architecture } = matched;
  refuseOverwriting(checkpoint, path);
  const metadata = new Map([
    ...Object.entries(preprocessingMetadata(options.preprocessing)),
    [architectureKey, printArchitecture(architecture)] as const,
    ...(await trainingEntries(matched)),
  ]);
  const graph = withoutOptional(matched, metadata);
  const needed = new Map([...tensors].filter(([name]) => graph.constants.has(name)));
  const bytes = [...needed.values()].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
  if (bytes >= (options.apart ?? largestFile))
    return await writeApart({ ...matched, tensors: needed }, graph, path, bytes, options);
  let written = 0;
  const contents = new Map(
    [...streamWeights(checkpoint, needed)].map(([name, stream]) => [
      name,
      async function* (): AsyncGenerator<Uint8Array> {
        for await (const piece of stream()) {
          options.signal?.throwIfAborted();
          yield piece;
          written += piece.length;
          options.progress?.(written, bytes);
        }
      },
    ]),
  );
  try {
    await writeModelFile(graph, path, { contents });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error instanceof Error && error.cause instanceof PetalfaceError ? error.cause : error;
  }
  return { model: path, bytes };
}

/**
 * Paths of what {@link writeNetwork} writes: the model, and where the weights are too many for one
 * file, theirs.
 */
export function networkFiles(
  { tensors }: Pick<MatchedNetwork, "tensors">,
  path: string,
  { apart = largestFile }: Pick<WriteNetworkOptions, "apart"> = {},
): string[] {
  const written = [...tensors].filter(([name]) => !optional.some((rule) => rule.test(name)));
  const bytes = written.reduce((sum, [, { shape }]) => sum + 4 * sizeOf(shape), 0);
  return bytes >= apart ? [path, weightsPath(path)] : [path];
}

const weightsPath = (path: string): string => `${path.replace(/\.onnx$/i, "")}.safetensors`;

function refuseOverwriting(checkpoint: Checkpoint, path: string): void {
  if ([...checkpoint.files.keys()].some((file) => resolve(file) === resolve(path)))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `${path} would be written, and is the checkpoint itself; name another 'out'`,
    );
}

async function trainingEntries({ checkpoint, tensors }: MatchedNetwork): Promise<[string, string][]> {
  const entries: [string, string][] = [];
  for (const [name, tensor] of tensors) {
    if (!optional.some((rule) => rule.test(name))) continue;
    const data = await readTensor(checkpoint, tensor);
    if (!data.every(Number.isFinite))
      throw new PetalfaceError("PETAL_NOT_FINITE", `${checkpoint.path}: ${name} holds infinities or NaN`);
    entries.push([trainingKey(name), Buffer.from(data.buffer).toString("base64")]);
  }
  return entries;
}

function withoutOptional({ network }: MatchedNetwork, metadata: Graph["metadata"]): Graph {
  const constants = [...network.graph.constants].filter(([name]) => !optional.some((rule) => rule.test(name)));
  return { ...network.graph, metadata, constants: new Map(constants) };
}

async function writeApart(
  { checkpoint, network, tensors }: MatchedNetwork,
  graph: Graph,
  path: string,
  bytes: number,
  { signal, progress }: WriteNetworkOptions,
): Promise<WrittenNetwork> {
  const weights = weightsPath(path);
  refuseOverwriting(checkpoint, weights);
  const written = await writeFloat32(weights, checkpoint, tensors, {
    progress: (done, total) => {
      signal?.throwIfAborted();
      progress?.(done, total);
    },
  });
  const known = new Map([...network.tensors].filter(([name]) => tensors.has(name)));
  const filled = fillNetwork({ graph, tensors: known }, (name): Constant => {
    const { offset, length, shape } = entryOf(written.tensors, name);
    return { dtype: "float32", dims: shape, file: resolve(weights), offset, length };
  });
  try {
    // The hash of the model, by which adapters know their backbone, then covers the weights too.
    const metadata = new Map([...graph.metadata, [weightsKey, await hashFile(weights)] as const]);
    await writeModelFile({ ...filled, metadata }, path, { keepExternal: true });
  } catch (error) {
    await rm(weights, { force: true });
    throw error;
  }
  return { model: path, weights, bytes };
}
