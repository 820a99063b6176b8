import { entryOf, itemAt } from "onnx-grad";
import { writeTorchCheckpoint } from "../../checkpoints/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { writeFileSafely } from "../../files.ts";
import type { Calibration } from "../../quality/index.ts";
import { encodeSafetensors, type StoredTensor } from "../../tensors/index.ts";
import { statisticsParts } from "../batch-norm.ts";
import { refuseCentre } from "../centre.ts";
import { type Adapter, type AdapterConfig, gateAt } from "../config.ts";
import { gateParts } from "../gate.ts";
import { type Layered, layoutOf, type Slot } from "../layout.ts";
import { findSites } from "../sites.ts";
import { joinParts, type LowRankTensor, type OwnTensor, partsOf } from "./parts.ts";

/** What a state dict does not say of its adapter. */
export interface ReferenceAdapterOptions {
  /** Factor on the adapter's output. */
  readonly scale: number;
  readonly calibration: Calibration;
}

/**
 * One site's tensors: of the part for low quality (or of the only one), and of the part for high
 * quality.
 */
interface Parts {
  down?: LowRankTensor;
  up?: LowRankTensor;
  down2?: LowRankTensor;
  up2?: LowRankTensor;
}

const pattern = /^(.+)\.trainable_lora_(down|up)(2?)\.weight$/;

/** Whether a tensor of a state dict belongs to an adapter, as the released code names them. */
export const isReferenceLowRank = (name: string): boolean => pattern.test(name);

/**
 * The adapter that a state dict of the released code holds: `MODULE.trainable_lora_down.weight` and
 * `_up`, and `_down2`, `_up2` where a module has twins (the first pair sees 1 - alpha, the second
 * alpha). Modules without a second pair are not gated where others are.
 *
 * @throws PetalfaceError where a tensor of a pair is missing or has another shape, ranks differ, or
 * the backbone has no such layer
 */
export function referenceAdapter(
  backbone: Layered & { readonly spec: { readonly name: string; readonly sha256: string } },
  tensors: ReadonlyMap<string, LowRankTensor>,
  { scale, calibration }: ReferenceAdapterOptions,
): Adapter {
  const parts = new Map<string, Parts>();
  for (const [name, tensor] of tensors) {
    const [, site = "", side = "", second = ""] = pattern.exec(name) ?? [];
    if (site === "")
      throw new PetalfaceError("PETAL_ADAPTER_DAMAGED", `"${name}" is not a tensor of a low-rank adapter`);
    parts.set(site, { ...parts.get(site), [`${side}${second}`]: tensor });
  }
  const twins = [...parts].filter(([, { down2, up2 }]) => down2 !== undefined || up2 !== undefined);
  const rank = [...parts.values()].find(({ down }) => down !== undefined)?.down?.shape[0] ?? 0;
  if (rank < 1 && parts.size > 0)
    throw new PetalfaceError("PETAL_ADAPTER_DAMAGED", "the adapter is incomplete: it has no down projection");
  const order = findSites(backbone.graph).sites.map(({ name }) => name);
  const known = new Set(order);
  // Sites that the graph lacks stay, so that the layout names the first of them.
  const sites = [...order.filter((name) => parts.has(name)), ...[...parts.keys()].filter((name) => !known.has(name))];
  const isTwin = new Set(twins.map(([site]) => site));
  const ungated = isTwin.size === 0 ? [] : sites.filter((site) => !isTwin.has(site));
  const config: AdapterConfig = {
    method: "lora",
    gate: isTwin.size > 0 ? "twin" : "single",
    rank: isTwin.size > 0 ? 2 * rank : Math.max(rank, 1),
    scale,
    sites,
    ...(ungated.length > 0 && { ungated }),
    backbone: { name: backbone.spec.name, sha256: backbone.spec.sha256 },
    calibration,
  };
  const layout = layoutOf(backbone, config);
  const theta = new Float32Array(layout.length);
  for (const slot of layout.slots) {
    const { down, up, down2, up2 } = entryOf(parts, slot.of);
    const pairs = isTwin.has(slot.of)
      ? [
          [down, up],
          [down2, up2],
        ]
      : [[down, up]];
    const halves = pairs.map(([a, b], index) => {
      const [tensor, side] = slot.role === "down" ? [a, "down"] : [b, "up"];
      return checked(tensor, `${slot.of}.trainable_lora_${side}${index === 0 ? "" : "2"}.weight`, slot, pairs.length);
    });
    const target = theta.subarray(slot.offset, slot.offset + slot.length);
    joinParts(target, halves, slot.role === "down" ? 1 : itemAt(slot.dims, 0));
  }
  return { config, theta };
}

/** The numbers of one pair's tensor: of the slot's shape, its rank shared among the pairs. */
function checked(tensor: LowRankTensor | undefined, name: string, slot: Slot, pairs: number): Float32Array {
  if (tensor === undefined)
    throw new PetalfaceError("PETAL_ADAPTER_DAMAGED", `the adapter is incomplete: ${name} is missing`);
  const rankAxis = slot.role === "down" ? 0 : 1;
  const expected = slot.dims.map((dim, axis) => (axis === rankAxis ? dim / pairs : dim));
  // Up projections of convolutions are 1x1 convolutions.
  const found = [...tensor.shape];
  while (found.length > expected.length && found.at(-1) === 1) found.pop();
  while (found.length < expected.length && expected[found.length] === 1) found.push(1);
  if (found.join() !== expected.join())
    throw new PetalfaceError(
      "PETAL_ADAPTER_DAMAGED",
      `${name} is [${tensor.shape}]; its layer and the adapter's rank need [${expected}]`,
    );
  return tensor.data;
}

/**
 * The tensors of an adapter under the released code's names: the reverse of
 * {@link referenceAdapter}.
 *
 * @throws PetalfaceError for a gate that the released code does not have
 */
export function toReference(backbone: Layered, { config, theta }: Adapter): Map<string, OwnTensor> {
  if (config.method !== "lora" || (config.gate !== "twin" && config.gate !== "single"))
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `the released code has twin and single low-rank adapters only; this one is ${config.method === "lora" ? `gated ${config.gate}` : config.method}`,
    );
  const layout = layoutOf(backbone, config);
  const tensors = new Map<string, OwnTensor>();
  for (const slot of layout.slots) {
    const isConv = layout.sites.some((site) => site.name === slot.of && site.op === "Conv");
    for (const [part, tensor] of partsOf(slot, theta, gateParts(gateAt(config, slot.of)), isConv).entries())
      tensors.set(`${slot.of}.trainable_lora_${slot.role}${part === 0 ? "" : "2"}.weight`, tensor);
  }
  return tensors;
}

/**
 * Writes an adapter's tensors under the released code's names, running statistics that trained
 * among them, as `.safetensors` or as PyTorch's `.pt`; loading them into the released network needs
 * `strict=False`.
 */
export async function saveReference(path: string, backbone: Layered, adapter: Adapter): Promise<void> {
  refuseCentre(adapter.config, "the released code");
  const tensors = [...toReference(backbone, adapter)].map(([name, { shape, data }]): [string, StoredTensor] => [
    name,
    { dtype: "F32", shape, data },
  ]);
  const { statistics } = adapter;
  if (statistics !== undefined)
    for (const { name, dims, offset, length } of statisticsParts(layoutOf(backbone, adapter.config).norms))
      tensors.push([name, { dtype: "F32", shape: dims, data: statistics.slice(offset, offset + length) }]);
  if (/\.safetensors$/i.test(path)) await writeFileSafely(path, encodeSafetensors(tensors, { format: "pt" }));
  else if (/\.(?:pt|pth)$/i.test(path)) await writeTorchCheckpoint(path, tensors);
  else throw new PetalfaceError("PETAL_OPTION_INVALID", `${path} must end in .safetensors or .pt`);
}
