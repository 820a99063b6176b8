import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Constant, itemAt, sizeOf, type Tensor } from "onnx-grad";
import { type Adapter, isReferenceLowRank, referenceAdapter } from "../../src/adapters/index.ts";
import {
  type Backbone,
  buildNetwork,
  fillNetwork,
  type Network,
  parseArchitecture,
} from "../../src/backbones/index.ts";
import { readSafetensors, type StoredTensor, toFloat32 } from "../../src/tensors/index.ts";
import { shared } from "../images/helpers.ts";
import { type FormulaTensor, formulaInput, formulaTensor } from "./formula.ts";

/** The oracle's cases, where they are there. */
export const oracleNets = shared("oracle", "nets");

/** Case, and tolerance of its gradients (oracle/README.md). */
export const referenceCases = [
  { name: "swin_iqa", gradients: 1e-3 },
  { name: "swin", gradients: 1e-3 },
  { name: "vit_iqa", gradients: 1e-3 },
  { name: "vit", gradients: 1e-3 },
  { name: "r18", gradients: 5e-3 },
  { name: "mbf", gradients: 1e-3 },
] as const;

/** One case of the oracle: a network's state dict and what the released code computed. */
export interface ReferenceCase {
  readonly config: Readonly<Record<string, unknown>>;
  readonly state: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  /** An array of `io.safetensors`; throws where there is none. */
  io(name: string): Float32Array<ArrayBuffer>;
  readonly names: readonly string[];
  readonly images: Tensor;
  readonly labels: readonly number[];
  /** Alpha of each image, in twin cases. */
  readonly alpha: Float32Array | undefined;
}

/** Reads a case of oracle/nets. */
export async function referenceCase(name: string): Promise<ReferenceCase> {
  const folder = join(oracleNets.path, name);
  const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8")) as Record<string, unknown>;
  const { tensors } = await readSafetensors(join(folder, "io.safetensors"));
  const io = (key: string): Float32Array<ArrayBuffer> => {
    const found = tensors.get(key);
    if (found === undefined) throw new Error(`the oracle has no ${key} for ${name}`);
    return toFloat32(found) as Float32Array<ArrayBuffer>;
  };
  const size = config.image_size as number;
  const batch = config.batch as number;
  const dims = [batch, 3, size, size];
  const stored = tensors.has("x") ? io("x") : formulaInput(batch * 3 * size * size);
  return {
    config,
    state: await stateOf(folder, config),
    io,
    names: [...tensors.keys()],
    images: { dtype: "float32", dims, data: stored },
    labels: Array.from((tensors.get("labels") as StoredTensor).data as BigInt64Array, Number),
    alpha: tensors.has("alpha") ? io("alpha") : undefined,
  };
}

async function stateOf(folder: string, config: Readonly<Record<string, unknown>>): Promise<ReferenceCase["state"]> {
  const formula = config.state_dict as readonly FormulaTensor[] | undefined;
  if (formula !== undefined)
    return new Map(
      formula.flatMap((tensor, number) =>
        tensor.kind === "as_built"
          ? []
          : [[tensor.name, { shape: tensor.shape, data: formulaTensor(tensor, number) }] as const],
      ),
    );
  const { tensors } = await readSafetensors(join(folder, "model.safetensors"));
  return new Map([...tensors].map(([key, tensor]) => [key, { shape: tensor.shape, data: toFloat32(tensor) }]));
}

/** A case's network with its weights, and its adapter. */
export function adaptedReference({ config, state }: ReferenceCase): {
  network: Network;
  backbone: Backbone;
  adapter: Adapter;
} {
  const network = buildNetwork(parseArchitecture(specOf(config)).architecture);
  const backbone = referenceBackbone(network, weightsOf(network, state));
  const lowRank = new Map([...state].filter(([name]) => isReferenceLowRank(name)));
  const adapter = referenceAdapter(backbone, lowRank, {
    scale: (config.lora_scale as number | undefined) ?? 1,
    calibration: { kind: "paper", measure: "sharpness", threshold: 0 },
  });
  return { network, backbone, adapter };
}

/** Weights of a state dict in memory. Throws where one is missing or has another shape. */
export const weightsOf =
  (network: Network, state: ReferenceCase["state"]) =>
  (name: string): Constant => {
    const tensor = state.get(name);
    const expected = network.tensors.get(name);
    if (tensor === undefined || tensor.shape.join() !== expected?.join())
      throw new Error(`${name}: [${tensor?.shape}] in the state dict, [${expected}] in the network`);
    return { dtype: "float32", dims: tensor.shape, data: tensor.data };
  };

/** A backbone of this network with these weights. */
export function referenceBackbone(network: Network, weightOf: (name: string) => Constant): Backbone {
  const graph = fillNetwork(network, weightOf);
  const [input = "", output = ""] = [graph.inputs[0], graph.outputs[0]];
  const mean = [127.5, 127.5, 127.5] as const;
  const scale = [1 / 127.5, 1 / 127.5, 1 / 127.5] as const;
  const spec = { name: graph.name, sha256: "0".repeat(64), mean, scale, channels: "rgb" } as const;
  const sideOf = (value: string): number => graph.types.get(value)?.shape.at(-1) as number;
  const parameters = [...network.tensors.values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
  return {
    path: `${graph.name}.onnx`,
    spec,
    graph,
    input,
    output,
    size: sideOf(input),
    width: sideOf(output),
    parameters,
  };
}

/** Length of the difference over the length of `expected`. */
export function relativeError(values: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (values.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [difference, length] = [0, 0];
  for (let at = 0; at < expected.length; at++) {
    difference += (itemAt(values, at) - itemAt(expected, at)) ** 2;
    length += itemAt(expected, at) ** 2;
  }
  return Math.sqrt(difference / length);
}

/** `--arch` of a case, from its configuration. */
export function specOf({
  family,
  image_size,
  patch_size,
  embed_dim,
  depths,
  depth,
  num_heads,
}: ReferenceCase["config"]): string {
  const list = (values: readonly number[]): string => values.join("/");
  if (family === "r18" || family === "mbf") return family;
  const tokens = `image=${image_size},patch=${patch_size}`;
  if (!Array.isArray(depths)) return `vit:${tokens},dim=${embed_dim},depth=${depth},heads=${num_heads}`;
  const dims = depths.map((_, stage) => (embed_dim as number) * 2 ** stage);
  return `swin:${tokens},dims=${list(dims)},depths=${list(depths)},heads=${list(num_heads as number[])},window=5`;
}
