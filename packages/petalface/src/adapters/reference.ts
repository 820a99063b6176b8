import type { Backbone } from "../backbones/index.ts";
import { PetalfaceError } from "../errors.ts";
import type { Calibration } from "../quality/index.ts";
import { type Adapter, type AdapterConfig, gateAt, rankAt } from "./config.ts";
import { layoutOf, type Slot } from "./layout.ts";
import { findSites } from "./sites.ts";

/** A low-rank tensor of a state dict, in memory. */
export interface LowRankTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What a state dict does not say of its adapter. */
export interface ReferenceAdapterOptions {
  /** Factor on the adapter's output. */
  readonly scale: number;
  readonly calibration: Calibration;
}

/** One site's tensors: of the part for low quality (or of the only one), and of the part for high quality. */
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
 * The adapter that a state dict of the released code holds: `MODULE.trainable_lora_down.weight` and `_up`, and `_down2`, `_up2` where a module
 * has twins (the first pair sees 1 - alpha, the second alpha). Modules without a second pair are not gated where others are.
 *
 * @throws PetalfaceError where a tensor of a pair is missing or has another shape, ranks differ, or the backbone has no such layer
 */
export function referenceAdapter(
  backbone: Backbone,
  tensors: ReadonlyMap<string, LowRankTensor>,
  { scale, calibration }: ReferenceAdapterOptions,
): Adapter {
  const parts = new Map<string, Parts>();
  for (const [name, tensor] of tensors) {
    const [, site = "", side = "", second = ""] = pattern.exec(name) ?? [];
    if (site === "") throw new PetalfaceError(`"${name}" is no tensor of a low-rank adapter`);
    parts.set(site, { ...parts.get(site), [`${side}${second}`]: tensor });
  }
  const twins = [...parts].filter(([, { down2, up2 }]) => down2 !== undefined || up2 !== undefined);
  const [one] = parts.values();
  const rank = one?.down?.shape[0] ?? 0;
  const order = findSites(backbone.graph).sites.map(({ name }) => name);
  const known = new Set(order);
  // Sites that the graph lacks stay, so that the layout names the first of them.
  const sites = [...order.filter((name) => parts.has(name)), ...[...parts.keys()].filter((name) => !known.has(name))];
  const isTwin = new Set(twins.map(([site]) => site));
  const ungated = isTwin.size === 0 ? [] : sites.filter((site) => !isTwin.has(site));
  const config: AdapterConfig = {
    method: "lora",
    gate: isTwin.size > 0 ? "twin" : "single",
    rank: isTwin.size > 0 ? 2 * rank : rank,
    scale,
    sites,
    ...(ungated.length > 0 && { ungated }),
    backbone: { name: backbone.spec.name, sha256: backbone.spec.sha256 },
    calibration,
  };
  const layout = layoutOf(backbone, config);
  const theta = new Float32Array(layout.length);
  for (const slot of layout.slots) {
    const { down, up, down2, up2 } = parts.get(slot.of) as Parts;
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
    joinParts(target, halves, slot.role === "down" ? 1 : (slot.dims[0] as number));
  }
  return { config, theta };
}

/** The numbers of one pair's tensor: of the slot's shape, its rank shared among the pairs. */
function checked(tensor: LowRankTensor | undefined, name: string, slot: Slot, pairs: number): Float32Array {
  if (tensor === undefined) throw new PetalfaceError(`the adapter is incomplete: ${name} is missing`);
  const rankAxis = slot.role === "down" ? 0 : 1;
  const expected = slot.dims.map((dim, axis) => (axis === rankAxis ? dim / pairs : dim));
  // Up projections of convolutions are 1x1 convolutions.
  const found = [...tensor.shape];
  while (found.length > expected.length && found.at(-1) === 1) found.pop();
  while (found.length < expected.length && expected[found.length] === 1) found.push(1);
  if (found.join() !== expected.join())
    throw new PetalfaceError(`${name} is [${tensor.shape}]; its layer and the adapter's rank need [${expected}]`);
  return tensor.data;
}

/** Matrices of `rows` rows side by side; with one row that is one after the other. */
function joinParts(target: Float32Array, parts: readonly Float32Array[], rows: number): void {
  const width = target.length / rows;
  let column = 0;
  for (const part of parts) {
    const own = part.length / rows;
    for (let row = 0; row < rows; row++) target.set(part.subarray(row * own, (row + 1) * own), row * width + column);
    column += own;
  }
}

/**
 * The tensors of an adapter under the released code's names: the reverse of {@link referenceAdapter}.
 *
 * @throws PetalfaceError for a gate that the released code does not have
 */
export function toReference(backbone: Backbone, { config, theta }: Adapter): Map<string, LowRankTensor> {
  if (config.method !== "lora" || (config.gate !== "twin" && config.gate !== "single"))
    throw new PetalfaceError(
      `the released code has twin and single low-rank adapters only; this one is ${config.method === "lora" ? `gated ${config.gate}` : config.method}`,
    );
  const layout = layoutOf(backbone, config);
  const kernels = new Map(layout.sites.map((site) => [site.name, site.op === "Conv"]));
  const tensors = new Map<string, LowRankTensor>();
  for (const { of, role, dims, offset, length } of layout.slots) {
    const values = theta.subarray(offset, offset + length);
    const parts = gateAt(config, of) === "twin" ? 2 : 1;
    const rank = rankAt(config, of) / parts;
    for (let part = 0; part < parts; part++) {
      const name = `${of}.trainable_lora_${role}${part === 0 ? "" : "2"}.weight`;
      const isConv = kernels.get(of) === true;
      if (role === "down") {
        const size = length / parts;
        const shape = [rank, ...dims.slice(1)];
        // A layout keeps 1x1 kernels without their two sides.
        tensors.set(name, {
          shape: isConv && shape.length === 2 ? [...shape, 1, 1] : shape,
          data: values.slice(part * size, (part + 1) * size),
        });
      } else {
        const rows = dims[0] as number;
        const shape = isConv ? [rows, rank, 1, 1] : [rows, rank];
        tensors.set(name, { shape, data: columnsOf(values, rows, part * rank, rank) });
      }
    }
  }
  return tensors;
}

/** `count` columns of a matrix of `rows` rows, from column `start` on. */
function columnsOf(matrix: Float32Array, rows: number, start: number, count: number): Float32Array {
  const width = matrix.length / rows;
  const columns = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++)
    columns.set(matrix.subarray(row * width + start, row * width + start + count), row * count);
  return columns;
}
