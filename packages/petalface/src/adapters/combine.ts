import { itemAt } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import { type Adapter, type AdapterConfig, gateAt, rankAt } from "./config.ts";
import { gateParts } from "./gate.ts";
import { layoutOf, type Slot } from "./layout.ts";
import { findSites } from "./sites.ts";

/** One adapter of a sum. */
export interface Summand {
  /** What messages call it. */
  readonly name: string;
  readonly adapter: Adapter;
  readonly weight: number;
}

/** Largest rank of an adapter (adapters/store.ts). */
const mostRank = 4096;

/**
 * The weighted sum of low-rank adapters of one backbone, as one adapter: its output is at every
 * layer the sum of the adapters' outputs, each times its weight. The rank channels stand next to
 * each other, so the rank is the sum of the ranks; a layer that an adapter leaves alone has zeros
 * there. Exact but for the rounding of weight x scale.
 *
 * @param calibration which summand's calibration decides alpha; unless given, all must have the
 * same
 * @throws PetalfaceError where the adapters differ in gate, calibration or ungated layers, are not
 * of low rank, or have trained batch normalisations
 */
export function combineAdapters(backbone: Backbone, summands: readonly Summand[], calibration?: number): Adapter {
  if (summands.length < 2) throw new PetalfaceError("PETAL_OPTION_INVALID", "give at least two adapters");
  const first = itemAt(summands, 0);
  for (const each of summands) requireFit(first, each, calibration);
  const { gate } = first.adapter.config;
  const judge = itemAt(summands, calibration ?? 0).adapter.config;
  const rank = summands.reduce((sum, { adapter }) => sum + adapter.config.rank, 0);
  if (rank > mostRank)
    throw new PetalfaceError("PETAL_OPTION_UNFIT", `the sum has rank ${rank}; the largest is ${mostRank}`);
  const adapted = new Set(summands.flatMap(({ adapter }) => adapter.config.sites));
  const sites = findSites(backbone.graph).sites.flatMap(({ name }) => (adapted.has(name) ? [name] : []));
  const ungated = sites.filter((site) => summands.some(({ adapter }) => adapter.config.ungated?.includes(site)));
  const config: AdapterConfig = {
    method: "lora",
    gate,
    rank,
    scale: 1,
    sites,
    ...(ungated.length > 0 && { ungated }),
    backbone: first.adapter.config.backbone,
    calibration: judge.calibration,
    ...(judge.weights && { weights: judge.weights }),
  };
  const layout = layoutOf(backbone, config);
  const theta = new Float32Array(layout.length);
  const slots = new Map(layout.slots.map((slot) => [slot.name, slot]));
  // Within each part of the gate the adapters' channels follow each other.
  const taken = new Map<string, number>();
  for (const { adapter, weight } of summands) {
    const factor = weight * adapter.config.scale;
    for (const slot of layoutOf(backbone, adapter.config).slots) {
      const target = slots.get(slot.name);
      if (target === undefined) continue;
      const parts = gateParts(gateAt(config, slot.of));
      const before = taken.get(slot.name) ?? 0;
      placeChannels({ slot, theta: adapter.theta }, { slot: target, theta }, { parts, before, factor });
      taken.set(slot.name, before + rankAt(adapter.config, slot.of) / parts);
    }
    // An adapter without this layer takes its share of the channels, as zeros.
    for (const { name, of } of layout.slots.filter((slot) => !adapter.config.sites.includes(slot.of))) {
      const own = rankAt({ ...config, rank: adapter.config.rank }, of);
      taken.set(name, (taken.get(name) ?? 0) + own / gateParts(gateAt(config, of)));
    }
  }
  return { config, theta };
}

function requireFit(first: Summand, other: Summand, calibration: number | undefined): void {
  const [a, b] = [first.adapter.config, other.adapter.config];
  const refuse = (what: string): never => {
    const who = first === other ? `${first.name} cannot` : `${first.name} and ${other.name} cannot`;
    throw new PetalfaceError("PETAL_ADAPTER_MISMATCH", `${who} be added: ${what}`);
  };
  for (const { name, adapter } of [first, other])
    if (adapter.config.centre) refuse(`${name} is centred; add the adapters from before, then centre the sum`);
  if (b.method !== "lora") refuse(`${other.name} is no low-rank adapter but ${b.method}`);
  if (b.batchNorm === "train") refuse(`${other.name} has batch normalisations of its own`);
  if (a.gate !== b.gate) refuse(`their gates are ${a.gate} and ${b.gate}`);
  for (const site of b.sites)
    if (a.sites.includes(site) && gateAt(a, site) !== gateAt(b, site)) refuse(`layer ${site} has a gate in one only`);
  if (calibration === undefined && JSON.stringify(a.calibration) !== JSON.stringify(b.calibration))
    refuse("their calibrations differ, so alpha is not the same number; say whose decides with 'calibrationOf' N");
}

interface Tensor {
  readonly slot: Slot;
  readonly theta: Float32Array;
}

/** Copies the rank channels of one projection; those of `up` are multiplied by the factor. */
function placeChannels(
  from: Tensor,
  to: Tensor,
  { parts, before, factor }: { readonly parts: number; readonly before: number; readonly factor: number },
): void {
  const isDown = from.slot.role === "down";
  const axis = isDown ? 0 : 1;
  const [rank, wide] = [itemAt(from.slot.dims, axis), itemAt(to.slot.dims, axis)];
  const part = rank / parts;
  for (let channel = 0; channel < rank; channel++) {
    const place = Math.floor(channel / part) * (wide / parts) + before + (channel % part);
    if (isDown) {
      const row = from.slot.length / rank;
      const start = from.slot.offset + channel * row;
      to.theta.set(from.theta.subarray(start, start + row), to.slot.offset + place * row);
      continue;
    }
    const outputs = itemAt(from.slot.dims, 0);
    for (let output = 0; output < outputs; output++)
      to.theta[to.slot.offset + output * wide + place] =
        factor * (from.theta[from.slot.offset + output * rank + channel] ?? 0);
  }
}
