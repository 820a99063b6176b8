import { type Backbone, type MatchedNetwork, openBackbone } from "../../backbones/index.ts";
import { readTensor } from "../../checkpoints/index.ts";
import { PetalfaceError } from "../../errors.ts";
import type { Calibration } from "../../quality/index.ts";
import { backboneRecord } from "../belongs.ts";
import type { Adapter } from "../config.ts";
import { saveAdapter } from "../store.ts";
import type { LowRankTensor } from "./parts.ts";
import { referenceAdapter } from "./reference.ts";

/** What a checkpoint does not say of its adapter. */
export interface FoundAdapterOptions {
  /** Factor on the adapter's output. */
  readonly scale: number;
  /** Rank that it must have; any unless given. */
  readonly rank?: number;
  readonly calibration: Calibration;
}

/**
 * The adapter that a checkpoint has in addition to a network, checked against the network's layers;
 * undefined where there is none. Its backbone is not known yet: {@link saveFoundAdapter}.
 *
 * @throws PetalfaceError where it is incomplete, does not fit, is not finite, or has another rank
 */
export async function foundAdapter(
  matched: MatchedNetwork,
  options: FoundAdapterOptions,
): Promise<Adapter | undefined> {
  const { checkpoint, network, adapter } = matched;
  if (adapter.size === 0) return undefined;
  const tensors = new Map<string, LowRankTensor>();
  for (const [name, tensor] of adapter) {
    const data = await readTensor(checkpoint, tensor);
    if (!data.every(Number.isFinite))
      throw new PetalfaceError(
        "PETAL_NOT_FINITE",
        `${checkpoint.path}: tensor ${JSON.stringify(name)} holds numbers that are not finite`,
      );
    tensors.set(name, { shape: tensor.shape, data });
  }
  const { graph } = network;
  const unwritten = { path: graph.name, graph, spec: { name: graph.name, sha256: "" } };
  const found = referenceAdapter(unwritten, tensors, options);
  const { gate, rank } = found.config;
  const each = gate === "twin" ? rank / 2 : rank;
  if (options.rank !== undefined && options.rank !== each)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${checkpoint.path}: its adapter has rank ${each}, not ${options.rank} as 'arch' says`,
    );
  return found;
}

/** Saves an adapter of {@link foundAdapter} for the model that was written of its network. */
export async function saveFoundAdapter(folder: string, adapter: Adapter, model: string): Promise<Backbone> {
  const backbone = await openBackbone(model);
  await saveAdapter(folder, backbone, {
    ...adapter,
    config: { ...adapter.config, backbone: backboneRecord(backbone) },
  });
  return backbone;
}
